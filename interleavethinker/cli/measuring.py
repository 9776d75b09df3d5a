"""`doctor` and `eval`: what is wrong on this machine, and how good the models are."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import typer

from interleavethinker.cli.options import ApiKey, Json, Url

LEVELS = {"ok": "[green]✓[/]", "note": "[dim]·[/]", "wrong": "[red]✗[/]"}


def doctor(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Look at what a stack on this machine needs: a line for each finding, and how to mend it."""
    from rich.markup import escape

    from interleavethinker.cli.saying import console, print_json
    from interleavethinker.doctor import examine

    found = list(examine(url, api_key))
    wrong = [finding for finding in found if finding.level == "wrong"]
    if as_json:
        print_json({"ok": not wrong, "findings": [finding.model_dump() for finding in found]})
    else:
        screen = console()
        for finding in found:
            fix = f"  [yellow]→ {escape(finding.fix)}[/]" if finding.fix else ""
            screen.print(f"{LEVELS[finding.level]} {finding.about:<12} {escape(finding.found)}{fix}")
        screen.print("all is well" if not wrong else f"[red]{len(wrong)} to mend[/]")
    if wrong:
        raise typer.Exit(1)


def evaluate(context: typer.Context) -> None:
    """Measure the models on held-out requests: `python -m evaluation`, whose words follow (`eval --help`)."""
    from interleavethinker.errors import BadSettings

    words: list[Any] = context.args
    if importlib.util.find_spec("evaluation") is None or importlib.util.find_spec("torch") is None:
        raise BadSettings("the evaluation needs models: `make setup`, or pip install 'interleavethinker[serve,models]'")
    raise typer.Exit(subprocess.call([sys.executable, "-m", "evaluation", *words]))
