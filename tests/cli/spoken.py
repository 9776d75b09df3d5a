"""The command line as its users run it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "interleavethinker.cli")
ROOT = Path(__file__).parents[2]


def say(*words: object, input: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True, text=True, input=input, env=os.environ | {"COLUMNS": "120"} | environment, cwd=ROOT,
        timeout=120, check=False,
    )  # fmt: skip


def begin(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
