"""What a measurement leaves to be read: report.json, and the same as a table in report.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from evaluation.field import folder
from evaluation.field.benchmark import Answers, Benchmark, Found
from evaluation.field.figures import Weighted, metrics
from evaluation.field.items import Item
from interleavethinker.checkpoint import Metric


def counted(items: Sequence[Item], answers: Answers) -> dict[str, Any]:
    """How many were asked, and how their runs ended."""
    ends: dict[str, int] = {}
    for item in items:
        end = answers[item.id].status if item.id in answers else "not_asked"
        ends[end] = ends.get(end, 0) + 1
    return {"items": len(items), "runs": ends}


def numbers(
    bench: Benchmark, items: Sequence[Item], found: Mapping[str, Mapping[str, Found]], seed: int
) -> dict[str, Any]:
    """Each row's numbers, and how much each row is above the one before it on the items that both have."""
    rows: dict[str, Any] = {}
    for row, of in found.items():
        measured = [item for item in items if item.id in of]
        rows[row] = metrics(bench.figures(measured, of), seed) if measured else {}
    above: dict[str, Any] = {}
    names = list(found)
    for lower, upper in pairwise(names):
        shared = [item for item in items if item.id in found[lower] and item.id in found[upper]]
        if not shared:
            continue
        one, two = (bench.figures(shared, found[row]).get(bench.headline) for row in (lower, upper))
        if isinstance(one, Weighted) and isinstance(two, Weighted) and (metric := two.less(one).metric(seed)):
            above[f"{upper} - {lower}"] = {bench.headline: metric}
    return {"rows": rows, "differences": above}


def write(result: Mapping[str, Any], bench: Benchmark, out: Path) -> list[str]:
    """Write both files; the lines of the table."""
    folder.write(out / "report.json", _plain(result))
    lines = table(result, bench)
    folder.put(out / "report.md", ("\n".join(lines) + "\n").encode())
    return lines


def table(result: Mapping[str, Any], bench: Benchmark) -> list[str]:
    rows, judged = result["rows"], result["judge"] is not None
    names = list(dict.fromkeys(name for numbers in rows.values() for name in numbers))
    lines = [f"# {bench.title}", "", f"`{result['command']}`", ""]
    if judged:
        lines += [
            f"Judge: {result['judge']['model']}. 95% intervals over questions (n); too narrow below some 20.",
            "",
        ]
    else:
        lines += ["Not judged: no --judge-url was given. The answers and the official layout are there.", ""]
    lines += [
        "| |" + "".join(f" {row.replace('_', ' ')} |" for row in result["runs"]),
        "|---|" + "---|" * len(result["runs"]),
    ]
    for name in names:
        cells = [_cell(rows.get(row, {}).get(name)) for row in result["runs"]]
        label = f"**{name.replace('_', ' ')}**" if name == bench.headline else name.replace("_", " ")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    ends = [", ".join(f"{count} {end}" for end, count in runs["runs"].items()) for runs in result["runs"].values()]
    lines.append("| runs | " + " | ".join(ends) + " |")
    if judged:
        lines.append(
            "| unreadable replies | " + " | ".join(str(result["unreadable"][row]) for row in result["runs"]) + " |"
        )
    if bench.paper and judged:
        lines.append(
            f"| the paper's {bench.headline.replace('_', ' ')} | "
            + " | ".join(bench.paper.get(row, "") for row in result["runs"])
            + " |"
        )
    lines += [
        "",
        *(
            f"{pair.replace('_', ' ')}: {name} {_cell(metric)}"
            for pair, each in result["differences"].items()
            for name, metric in each.items()
        ),
    ]
    return lines


def _cell(metric: Metric | None) -> str:
    return "" if metric is None else f"{metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}] ({metric.n})"


def _plain(value: Any) -> Any:
    if isinstance(value, Metric):
        return value.model_dump()
    return {key: _plain(part) for key, part in value.items()} if isinstance(value, Mapping) else value
