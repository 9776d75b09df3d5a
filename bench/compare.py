"""Whether a fresh run is slower than the committed: `python -m bench.compare FRESH [COMMITTED]`, `make bench-check`.

Seconds of two machines cannot be compared; ratios to the baseline of the same run can. Of each row that both files
have, the fresh `ratio_to_baseline` may lie above the committed one by the noise: by the fresh run's own 95% interval
where it has paired documents (`pairs`) or says one (`ratio_interval`), and by `--margin` in any case. Prints a table;
exit code 1 when a row is slower than that, 2 when nothing could be compared. Never part of the tests: they assert no
time."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
KEY = ("profile", "steps", "acceptance", "speculate", "workers", "guessing")
"""Fields that name a row, as far as it has them. Of the small models steps and acceptance are measured, and no name."""
MEASURED = {"smallworld": ("steps", "acceptance")}
MARGIN = 0.05
"""Of the committed ratio: what two runs of the same code differ by on a quiet machine."""
RESAMPLES = 2000


class Line(NamedTuple):
    name: str
    committed: float
    fresh: float
    low: float
    high: float
    slower: bool


def interval(values: Sequence[float], *, seed: int = 0, share: float = 0.95) -> tuple[float, float]:
    """Of the median, by bootstrap: both ends the same value for one value alone."""
    chance = random.Random(f"interval {seed}")
    medians = sorted(median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    edge = int(RESAMPLES * (1 - share) / 2)
    return medians[edge], medians[-1 - edge]


def lines(fresh: Mapping[str, Any], committed: Mapping[str, Any], margin: float = MARGIN) -> list[Line]:
    """The rows that both have, in the committed order."""
    new = {_name(row): row for row in fresh["rows"] if "ratio_to_baseline" in row}
    found = []
    for row in committed["rows"]:
        name = _name(row)
        if name in new and "ratio_to_baseline" in row:
            now, before = float(new[name]["ratio_to_baseline"]), float(row["ratio_to_baseline"])
            low, high = new[name].get("ratio_interval") or _paired(fresh, new[name]) or (now, now)
            slower = low > before * (1 + margin) and now > before * (1 + margin)
            found.append(Line(name, before, now, low, high, slower))
    return found


def table(found: Sequence[Line]) -> str:
    """For a terminal, and for Markdown."""
    head = ("| row | committed | fresh | 95% interval | |", "|---|---|---|---|---|")
    return "\n".join(
        (
            *head,
            *(
                f"| {each.name} | {each.committed:.3f} | {each.fresh:.3f} | {each.low:.3f} .. {each.high:.3f} "
                f"| {'SLOWER' if each.slower else 'ok'} |"
                for each in found
            ),
        )
    )


def _name(row: Mapping[str, Any]) -> str:
    measured = MEASURED.get(row.get("profile", ""), ())
    return " ".join(f"{key}={row[key]}" for key in KEY if key in row and key not in measured)


def _paired(result: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[float, float] | None:
    """`pairs`: [baseline, ours] seconds of each document; the row's own, or the file's where it has one row."""
    pairs = row.get("pairs") or (result.get("pairs") if len(result["rows"]) == 1 else None)
    return interval([ours / baseline for baseline, ours in pairs]) if pairs else None


def main(argv: Sequence[str] | None = None) -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    asked.add_argument("fresh", type=Path, help="what a run has just written with --out")
    asked.add_argument("committed", type=Path, nargs="?", default=RESULTS / "documents.json")
    asked.add_argument("--margin", type=float, default=MARGIN)
    chosen = asked.parse_args(argv)
    for path in (chosen.fresh, chosen.committed):
        if not path.is_file():
            print(f"{path} is not there: write a fresh file with a bench's --out", file=sys.stderr)
            return 2
    fresh, committed = (json.loads(path.read_text()) for path in (chosen.fresh, chosen.committed))
    found = lines(fresh, committed, chosen.margin)
    if not found:
        print(f"{chosen.fresh} and {chosen.committed} have no row in common", file=sys.stderr)
        return 2
    print(table(found))
    return int(any(each.slower for each in found))


if __name__ == "__main__":
    sys.exit(main())
