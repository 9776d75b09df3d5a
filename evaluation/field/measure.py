"""One benchmark from its files to its report: ask, lay out, judge, count."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.field import folder, report
from evaluation.field.benchmark import Benchmark, Found
from evaluation.field.conditions import Condition
from evaluation.field.items import Answer, Item, chosen
from evaluation.field.judging import Judge
from evaluation.field.runs import Runs
from evaluation.field.sheet import contact_sheet
from interleavethinker.client import AsyncClient


@dataclass(frozen=True)
class Asking:
    """How the service is asked. `patience`: seconds for one run. `redo`: also ask again what did not succeed."""

    api: str
    key: str | None
    at_once: int
    patience: float
    redo: bool


async def measure(
    bench: Benchmark,
    every: Sequence[Item],
    rows: Sequence[Condition],
    asking: Asking,
    judge: Judge | None,
    out: Path,
    *,
    limit: int | None,
    seed: int,
    command: str,
    resume: bool,
    say: Callable[[str], object],
) -> dict[str, Any]:
    """Everything that the command does; the report's numbers. Raises BadRequest, Unavailable."""
    items = chosen(every, limit, seed)
    told = {"bench": bench.title, "seed": seed, "input": _digest(every)}
    folder.opened(out, told | {f"row {row.name}": dict(row.wishes) for row in rows}, resume=resume)
    answers: dict[str, dict[str, Answer]] = {}
    async with AsyncClient(asking.api, api_key=asking.key) as client:
        for row in rows:
            home = out / "answers" / row.name
            runs = Runs(client, home, row, bench=bench.name, seed=seed, patience=asking.patience)
            await runs.make(items, at_once=asking.at_once, redo=asking.redo, say=say)
            answers[row.name] = runs.answers(items)
            bench.lay_out(items, answers[row.name], out / "official" / row.name)
    found: dict[str, dict[str, Found]] = {}
    if judge:
        say(f"{bench.name}: judging {sum(map(len, answers.values()))} answers by {judge.model}")
        found = await bench.judge(items, answers, out / "judged", judge)
        say(f"{bench.name}: {judge.tally.calls} replies, {judge.tally.read} tokens read, {judge.tally.written} written")
    unreadable = {row: sum(each["unreadable"] for each in of.values()) for row, of in found.items()}
    result = {
        "bench": bench.title, "command": command, "seed": seed, "n": len(items), "of": len(every),
        "runs": {row: report.counted(items, of) for row, of in answers.items()},
        "judge": judge and {
            "model": judge.model, "calls": judge.tally.calls, "tokens_read": judge.tally.read,
            "tokens_written": judge.tally.written,
        },
        "unreadable": unreadable,
        **report.numbers(bench, items, found, seed),
        "items": {row: {name: _told(each) for name, each in of.items()} for row, of in found.items()},
    }  # fmt: skip
    notes = {row: {name: _note(each) for name, each in of.items()} for row, of in found.items()}
    contact_sheet(
        items, answers, notes, out / "contact.png", f"{bench.title}, seed {seed}, {len(items)} of {len(every)}"
    )
    return result


def _digest(items: Sequence[Item]) -> str:
    """Of all questions, so that a measurement is not gone on with on another set."""
    return hashlib.sha256("\n".join(f"{item.id} {item.prompt}" for item in items).encode()).hexdigest()[:16]


def _told(found: Found) -> Found:
    return {name: value for name, value in found.items() if value is not None}


def _note(found: Found) -> str:
    if "battles" in found:
        return ", ".join(f"{each['end']} against {each['against']}" for each in found["battles"][:2])
    numbers = [(name, value) for name, value in found.items() if isinstance(value, float)]
    return "  ".join(f"{name} {value:.2g}" for name, value in numbers[:4])
