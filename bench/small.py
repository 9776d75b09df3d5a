"""Seconds a document with the real small models: our loop beside the method's sequential one, on stacks of real
processes that differ in one setting. `python -m bench.small`; with `--into` the rows go into documents.json too.

Three stacks, so that the baseline's pictures are drawn and not found: one job is never drawn twice in a stack. Its
critic judges to the last token (`stop_on_accept` off). All are warm; one works while the others have nothing to do, the
document by each in turns, so that what else the machine does meets all. Ours is a POST /interleave and its events, over
HTTP; the baseline calls the services' clients and keeps no journal. The verdicts are the models' own: `acceptance` is
measured. A seed of its own for each attempt makes our pictures others than the baseline's.
Deliberately not here: models that only wait (`documents`)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from bench.compare import interval
from bench.latencies import percentile
from bench.local import Stack, requests, up
from bench.sequential import sequential
from interleavethinker.client import AsyncClient
from interleavethinker.clients.critic import CriticClient
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.clients.planner import PlannerClient
from interleavethinker.events import Drawn, Judged, StepPlanned
from interleavethinker.types import Brief, InterleaveRequest, Outcome

ATTEMPTS = 3
PROFILE = "smallworld"


class Made(NamedTuple):
    """A document: seconds to its end and to its first picture, each step's attempts; and of ours the critical path,
    from what its services timed: the plan's first step, all drawings, the verdicts that refused, and the last one."""

    seconds: float
    first: float
    attempts: tuple[int, ...]
    floor: float = 0.0


class Trio(NamedTuple):
    """The same document by the baseline, and by ours without and with speculation."""

    baseline: Made
    plain: Made
    speculating: Made


def asking(prompt: str, seed: int) -> InterleaveRequest:
    return InterleaveRequest(brief=Brief(prompt=prompt), seed=seed, max_attempts=ATTEMPTS)


async def by_baseline(stack: Stack, request: InterleaveRequest) -> Made:
    services = stack.watched.services
    planner, critic = PlannerClient(services["planner"]), CriticClient(services["critic"])
    generator = GeneratorClient(services["generator"])
    drawn: list[float] = []

    class Timed:
        """Notes when the first picture was there."""

        async def draw(self, job: Any) -> Any:
            drawing = await generator.draw(job)
            drawn.append(time.perf_counter())
            return drawing

    try:
        began = time.perf_counter()
        kept = await sequential(request, planner=planner, generator=Timed(), critic=critic)  # type: ignore[arg-type]
        seconds = time.perf_counter() - began
    finally:
        for client in (planner, critic, generator):
            await client.close()
    first = drawn[0] - began if drawn else seconds
    return Made(seconds, first, tuple(number for number, _ in kept))


async def by_ours(stack: Stack, request: InterleaveRequest) -> Made:
    async with AsyncClient(stack.url) as client:
        began, first = time.perf_counter(), 0.0
        attempts: dict[int, int] = {}
        created: datetime | None = None
        planning = drawing = refusing = judging = 0.0
        run = await client.ask(request.brief.prompt, seed=request.seed, max_attempts=ATTEMPTS)
        async for recorded in client.follow(run):
            event, created = recorded.event, created or recorded.at
            if isinstance(event, StepPlanned):
                planning = planning or (recorded.at - created).total_seconds()
            elif isinstance(event, Drawn):
                first = first or time.perf_counter() - began
                attempts[event.step] = max(attempts.get(event.step, 0), event.number)
                drawing += event.drawing.draw_seconds
            elif isinstance(event, Judged):
                refusing += event.seconds if event.verdict.outcome is Outcome.REVISE else 0.0
                judging = 0.0 if event.verdict.outcome is Outcome.REVISE else event.seconds
        seconds = time.perf_counter() - began
    made = tuple(attempts[step] for step in sorted(attempts))
    return Made(seconds, first, made, planning + drawing + refusing + judging)


def rows(trios: Sequence[Trio], seed: int) -> list[dict[str, Any]]:
    """Two lines of documents.json: without and with speculation. Ratios are medians over the documents;
    `ratio_interval` is 95%, by bootstrap; `same_attempts`: documents that needed the baseline's attempts."""
    attempts = [number for each in trios for number in each.baseline.attempts]
    found = []
    for speculate in (False, True):
        ours = [each.speculating if speculate else each.plain for each in trios]
        ratios = [made.seconds / each.baseline.seconds for made, each in zip(ours, trios, strict=True)]
        found.append(
            {
                "profile": PROFILE,
                "steps": round(fmean(len(each.baseline.attempts) for each in trios), 1),
                "acceptance": round(len(trios) and _accepted(attempts) / sum(attempts), 3),
                "speculate": speculate,
                "n": len(trios),
                "seconds": spread([made.seconds for made in ours]),
                "baseline_seconds": spread([each.baseline.seconds for each in trios]),
                "floor_seconds": round(median(made.floor for made in ours), 3),
                "ratio_to_baseline": round(median(ratios), 3),
                "ratio_interval": [round(end, 3) for end in interval(ratios, seed=seed)],
                "ratio_to_floor": round(median(made.seconds / made.floor for made in ours), 3),
                "draws": round(fmean(sum(made.attempts) for made in ours), 2),
                "pictures_drawn": round(fmean(sum(made.attempts) for made in ours), 2),
                "first_picture_seconds": round(median(made.first for made in ours), 3),
                "baseline_first_picture_seconds": round(median(each.baseline.first for each in trios), 3),
                "same_attempts": sum(
                    made.attempts == each.baseline.attempts for made, each in zip(ours, trios, strict=True)
                ),
            }
        )
    return found


def _accepted(attempts: Sequence[int]) -> int:
    """Steps that ended before their last attempt: how the last one was judged the baseline does not tell."""
    return sum(number < ATTEMPTS for number in attempts)


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"p50": round(percentile(values, 0.5), 3), "p95": round(percentile(values, 0.95), 3)}


async def measure(baseline: Stack, plain: Stack, speculating: Stack, documents: int, seed: int) -> list[Trio]:
    """The documents, each by all three, the first one changing; two more before them warm everything up."""
    found: list[Trio] = []
    for number, prompt in enumerate(requests(documents + 2, seed)):
        request = asking(prompt, number)
        made: dict[int, Made] = {}
        for turn in range(3):
            which = (number + turn) % 3
            one = (baseline, plain, speculating)[which]
            made[which] = await (by_ours(one, request) if which else by_baseline(one, request))
        trio = Trio(made[0], made[1], made[2])
        if number >= 2 and trio.baseline.attempts:
            found.append(trio)
            theirs = trio.baseline.seconds
            print(
                f"{len(found):3}  sequential {theirs:6.2f} s  ours x {trio.plain.seconds / theirs:.2f}"
                f"  speculating x {trio.speculating.seconds / theirs:.2f}  attempts {trio.baseline.attempts}",
                flush=True,
            )
    return found


def into(path: Path, found: Sequence[dict[str, Any]]) -> None:
    """Put the rows at the end of documents.json, in place of older ones."""
    whole = json.loads(path.read_text())
    whole["rows"] = [row for row in whole["rows"] if row["profile"] != PROFILE] + list(found)
    path.write_text(json.dumps(whole, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.small", description=__doc__)
    asked.add_argument("--documents", type=int, default=24)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--out", type=Path, default=Path("bench/results/small.json"))
    asked.add_argument("--into", type=Path, help="put the rows into this documents.json too")
    chosen = asked.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        with (
            up(home / "baseline", {"CRITIC__STOP_ON_ACCEPT": "false"}) as baseline,
            up(home / "plain", {"ORCHESTRATOR__SPECULATE": "false"}) as plain,
            up(home / "speculating", {"ORCHESTRATOR__SPECULATE": "true"}) as speculating,
        ):
            trios = asyncio.run(measure(baseline, plain, speculating, chosen.documents, chosen.seed))
    said = " ".join(["python -m bench.small", *(sys.argv[1:] if argv is None else argv)])
    found = rows(trios, chosen.seed)
    result = {"command": said, "seed": chosen.seed, "max_attempts": ATTEMPTS, "rows": found}
    for row, name in zip(found, ("plain", "speculating"), strict=True):
        row["pairs"] = [[round(each.baseline.seconds, 3), round(getattr(each, name).seconds, 3)] for each in trios]
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    if chosen.into:
        into(chosen.into, found)
    for row in found:
        print({name: value for name, value in row.items() if name != "pairs"})


if __name__ == "__main__":
    main()
