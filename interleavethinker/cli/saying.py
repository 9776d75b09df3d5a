"""What commands print: words for people on standard output, or one JSON object for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from interleavethinker.document import Document


def console(*, silent: bool = False) -> Console:
    """`silent`: for a command that prints JSON."""
    from rich.console import Console

    return Console(quiet=silent, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def stale(document: Document) -> str:
    """What a change left behind, as the end of a line; empty where that is nothing."""
    left = [str(entry.number) for entry in document.steps if entry.stale]
    return f"; drawn from what no longer stands: {', '.join(left)}" if left else ""


def outline(document: Document, written: Path | None) -> dict[str, Any]:
    """What a program wants to know of a run that has ended; `show --json` has all of it."""
    return {
        "id": document.run_id,
        "status": document.status,
        "digest": document.digest,
        "problem": document.problem and document.problem.model_dump(mode="json", exclude={"raw"}),
        "out": written and str(written.absolute()),
        "steps": [
            {
                "number": entry.number,
                "index": entry.step.index,
                "name": entry.step.name,
                "attempts": len(entry.attempts),
                "kept": entry.kept,
                "accepted": entry.accepted,
                "stale": entry.stale,
            }
            for entry in document.steps
        ],
    }
