"""docs/exports.md: its first lines run, and its table is the formats."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.exports import FORMATS
from tests.doors import orchestrator
from tests.generator_stack import serving

TEXT = (Path(__file__).parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")


def test_the_table_is_the_formats():
    assert re.findall(r"^\| `(\w+)` \| `(\.\w+)` \|", TEXT, re.MULTILINE) == [
        (each.name, each.suffix) for each in FORMATS.values()
    ]


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_first_lines_run(tmp_path: Path):
    found = re.search(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    assert found
    (tmp_path / "files").mkdir()
    app = orchestrator(f"sqlite:///{tmp_path}/journal.db", DirectoryBlobs(tmp_path / "blobs"))
    with serving(app) as url:
        script = found[1].replace("localhost:8080", url.removeprefix("http://"))
        done = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path / "files", capture_output=True, text=True, timeout=120, check=True
        )
    stem = "how-do-i-draw-a-snowman-with-a-red-hat-step-by-step"
    assert done.stdout.splitlines()[-8:] == sorted(f"{stem}{each.suffix}" for each in FORMATS.values())
