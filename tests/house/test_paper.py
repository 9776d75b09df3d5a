"""Every function and test that docs/paper.md names for a claim or an equation exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
FUNCTIONS = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", TEXT)
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT)))


def defined(path: Path) -> set[str]:
    """Functions, classes, `Class.method`s and constants of a module."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_there_is_something_to_look_for():
    assert len(FUNCTIONS) >= 12
    assert len(TESTS) >= 12


@pytest.mark.parametrize(("file", "names"), FUNCTIONS)
def test_a_named_function_exists(file: str, names: str):
    assert set(re.findall(r"`([\w.]+)`", names)) - defined(ROOT / file) == set()


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_a_named_test_exists(file: str, name: str):
    assert name in defined(ROOT / file)


def test_every_equation_has_a_function_and_a_test():
    table = TEXT.partition("## Equation by equation")[2].partition("\n## ")[0].partition("\n\n|")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) >= 12
    assert [row for row in rows if ".py`: `" not in row or "::test_" not in row] == []
