"""The first lines of docs/client.md and docs/cli.md run as they stand, against a real orchestrator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.newcomer.orchestra import orchestra

ROOT = Path(__file__).parents[2]
HERE = "http://localhost:8080"


def first_lines(document: str, language: str) -> str:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    found = re.match(rf"# [^\n]*\n\n```{language}\n(.*?)```", text, re.DOTALL)
    assert found, f"docs/{document} begins with code"
    assert len([line for line in found[1].splitlines() if line]) <= 10
    assert HERE in found[1]
    return found[1]


def test_the_clients_first_lines(tmp_path: Path):
    code = first_lines("client.md", "python")
    with orchestra(tmp_path / "orchestra") as url:
        done = subprocess.run(
            [sys.executable, "-c", code.replace(HERE, url)],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("1 created", "out/snowman/document.html out/snowman.html")
    assert "a snow scene with a green hat" in (tmp_path / "out" / "snowman.html").read_text(encoding="utf-8")


def test_the_command_lines_first_lines(tmp_path: Path):
    script = tmp_path / "bin" / "interleavethinker"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m interleavethinker.cli "$@"\n')
    script.chmod(0o755)
    code = first_lines("cli.md", "bash")
    with orchestra(tmp_path / "orchestra") as url:
        done = subprocess.run(
            ["bash", "-euc", code.replace(HERE, url)],
            cwd=tmp_path, env=os.environ | {"PATH": f"{script.parent}:{os.environ['PATH']}"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "step 2 keeps attempt 1" in done.stdout
    assert (tmp_path / "guide" / "document.html").is_file()
    assert (tmp_path / "guide.html").is_file()
    assert '"status": "succeeded"' in (tmp_path / "guide.json").read_text()
