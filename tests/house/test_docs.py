"""What the documents name exists: files, directories and make targets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "checkpoints/**/*.md", "evaluation/**/*.md")
    for path in ROOT.glob(pattern)
)
TOP = {path.name for path in ROOT.iterdir() if path.is_dir()}
IN_TICKS = re.compile(r"`([\w./-]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)")
TARGET = re.compile(r"\bmake ([a-z][\w-]*)")


def named_files(document: Path) -> set[str]:
    """Paths in backticks that begin at a directory of ours, and the targets of relative links."""
    text = document.read_text(encoding="utf-8")
    ticks = {name for name in IN_TICKS.findall(text) if "/" in name and name.split("/")[0] in TOP}
    links = {name for name in LINK.findall(text) if not re.match(r"\w+:", name)}
    near = {str((document.parent / link).resolve().relative_to(ROOT)) for link in links}
    return {name for name in ticks | near if not name.startswith(("var/", "runs/", "out/", "build/", ".venv/"))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_exist(document: Path):
    assert [name for name in sorted(named_files(document)) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_make_targets_exist(document: Path):
    code = "\n".join(re.findall(r"```.*?```|`[^`]+`", document.read_text(encoding="utf-8"), flags=re.DOTALL))
    made = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(TARGET.findall(code)) - made == set()
