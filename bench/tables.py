"""The table of docs/performance.md, written from bench/results/documents.json: `python -m bench.tables` prints it.

A test of the house compares the two. Deliberately not here: pictures (`plots`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "documents.json"
HEAD = (
    "| models | steps | accepted | sequential | ours | speculating | of sequential | of the floor | pictures |",
    "|---|---|---|---|---|---|---|---|---|",
)


def table(result: Mapping[str, Any]) -> str:
    """A line for each case: p50 (p95) seconds, and without -> with speculation the ratios and the pictures drawn."""
    cases: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in result["rows"]:
        if not row.get("kind"):
            cases.setdefault((row["profile"], row["steps"], row["acceptance"]), []).append(row)
    pairs = [(each[0], each[-1]) for each in cases.values()]  # the last one works ahead the furthest
    return "\n".join((*HEAD, *(_line(plain, guessing) for plain, guessing in pairs)))


def _line(plain: Mapping[str, Any], guessing: Mapping[str, Any]) -> str:
    both = {
        key: f"{plain[key]:.2f} → {guessing[key]:.2f}" for key in ("ratio_to_baseline", "ratio_to_floor")
    }  # fmt: skip
    cells = (
        plain["profile"],
        str(plain["steps"]),
        f"{plain['acceptance']:.2f}",
        _seconds(plain["baseline_seconds"]),
        _seconds(plain["seconds"]),
        _seconds(guessing["seconds"]),
        both["ratio_to_baseline"],
        both["ratio_to_floor"],
        f"{plain['pictures_drawn']:.1f} → {guessing['pictures_drawn']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _seconds(spread: Mapping[str, float]) -> str:
    return f"{spread['p50']:.1f} ({spread['p95']:.1f})"


if __name__ == "__main__":
    print(table(json.loads(RESULT.read_text(encoding="utf-8"))))
