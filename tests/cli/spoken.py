"""The command line as its users run it: a process of its own; and quicker, in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from interleavethinker.cli.words import app

COMMAND = (sys.executable, "-m", "interleavethinker.cli")
ROOT = Path(__file__).parents[2]


def say(*words: object, input: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True, text=True, input=input, env=os.environ | {"COLUMNS": "120"} | environment, cwd=ROOT,
        timeout=120, check=False,
    )  # fmt: skip


def say_here(*words: object, input: str | None = None) -> subprocess.CompletedProcess[str]:
    """As `say`, in this process, for what ends at once. Errors of ours are raised, not told; standard output also has
    the words of services in this process."""
    done = CliRunner().invoke(app, [str(word) for word in words], input=input, env={"COLUMNS": "120"})
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def begin(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
