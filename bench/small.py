"""Seconds a document with the real small models: our loop beside the method's sequential one, on two stacks of real
processes that differ in one setting. `python -m bench.small`; the row goes into bench/results/documents.json.

Two stacks, so that the baseline's pictures are drawn and not found: one job is never drawn twice in a stack. Its critic
judges to the last token (`stop_on_accept` off). Both are warm; one works while the other has nothing to do, document by
document, in turns, so that what else the machine does meets both. Ours is a POST /interleave and its events, over HTTP;
the baseline calls the services' clients with no journal. The verdicts are the models' own, so `acceptance` is measured.
Deliberately not here: models that only wait (`documents`)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
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
from interleavethinker.events import Drawn, StepFinished
from interleavethinker.types import Brief, InterleaveRequest

ATTEMPTS = 3
PROFILE = "smallworld"


class Made(NamedTuple):
    """A document: seconds to its end and to its first picture, each step's attempts, the kept pictures' digests."""

    seconds: float
    first: float
    attempts: tuple[int, ...]
    kept: tuple[str, ...]


class Pair(NamedTuple):
    baseline: Made
    ours: Made


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
    return Made(seconds, first, tuple(number for number, _ in kept), tuple(image.digest for _, image in kept))


async def by_ours(stack: Stack, request: InterleaveRequest) -> Made:
    async with AsyncClient(stack.url) as client:
        began, first = time.perf_counter(), 0.0
        attempts: dict[int, int] = {}
        digests: dict[tuple[int, int], str] = {}
        kept: list[str] = []
        run = await client.ask(request.brief.prompt, seed=request.seed, max_attempts=ATTEMPTS)
        async for recorded in client.follow(run):
            event = recorded.event
            if isinstance(event, Drawn):
                first = first or time.perf_counter() - began
                attempts[event.step] = max(attempts.get(event.step, 0), event.number)
                digests[event.step, event.number] = event.drawing.image.digest
            elif isinstance(event, StepFinished) and event.kept:
                kept.append(digests[event.step, event.kept])
        seconds = time.perf_counter() - began
    return Made(seconds, first, tuple(attempts[step] for step in sorted(attempts)), tuple(kept))


def row(pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    """One line of documents.json. Ratios are medians over the pairs; `ratio_interval`: 95%, by bootstrap."""
    ratios = [ours.seconds / baseline.seconds for baseline, ours in pairs]
    low, high = interval(ratios, seed=seed)
    attempts = [number for pair in pairs for number in pair.baseline.attempts]
    return {
        "profile": PROFILE,
        "steps": round(fmean(len(pair.baseline.attempts) for pair in pairs), 2),
        "acceptance": round(sum(number < ATTEMPTS for number in attempts) / max(1, sum(attempts)), 3),
        "speculate": False,
        "n": len(pairs),
        "seconds": spread([pair.ours.seconds for pair in pairs]),
        "baseline_seconds": spread([pair.baseline.seconds for pair in pairs]),
        "ratio_to_baseline": round(median(ratios), 3),
        "ratio_interval": [round(low, 3), round(high, 3)],
        "draws": round(fmean(sum(pair.ours.attempts) for pair in pairs), 2),
        "first_picture_seconds": round(median(pair.ours.first for pair in pairs), 3),
        "baseline_first_picture_seconds": round(median(pair.baseline.first for pair in pairs), 3),
        "same_attempts": sum(pair.ours.attempts == pair.baseline.attempts for pair in pairs),
        "same_pictures": sum(pair.ours.kept == pair.baseline.kept for pair in pairs),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"p50": round(percentile(values, 0.5), 3), "p95": round(percentile(values, 0.95), 3)}


async def pairs(baseline: Stack, ours: Stack, documents: int, seed: int) -> list[Pair]:
    """The documents, each by both, the order changing; two more before them warm everything up."""
    found: list[Pair] = []
    for number, prompt in enumerate(requests(documents + 2, seed)):
        request = asking(prompt, number)
        if number % 2:
            mine = await by_ours(ours, request)
            theirs = await by_baseline(baseline, request)
        else:
            theirs = await by_baseline(baseline, request)
            mine = await by_ours(ours, request)
        if number >= 2 and theirs.attempts:
            found.append(Pair(theirs, mine))
            print(
                f"{len(found):3}  sequential {theirs.seconds:6.2f} s  ours {mine.seconds:6.2f} s"
                f"  x {mine.seconds / theirs.seconds:.2f}  attempts {theirs.attempts} {mine.attempts}",
                flush=True,
            )
    return found


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.small", description=__doc__)
    asked.add_argument("--documents", type=int, default=24)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of our stack")
    asked.add_argument("--out", type=Path, default=Path("bench/results/small.json"))
    chosen = asked.parse_args(argv)
    more = dict(each.split("=", 1) for each in chosen.set)
    with (
        tempfile.TemporaryDirectory() as home,
        up(Path(home) / "a", {"CRITIC__STOP_ON_ACCEPT": "false"}) as baseline,
        up(Path(home) / "b", more) as ours,
    ):
        found = asyncio.run(pairs(baseline, ours, chosen.documents, chosen.seed))
    said = " ".join(["python -m bench.small", *(sys.argv[1:] if argv is None else argv)])
    result = {"command": said, "seed": chosen.seed, "max_attempts": ATTEMPTS, "rows": [row(found, chosen.seed)]}
    result["pairs"] = [[round(b.seconds, 3), round(o.seconds, 3)] for b, o in found]
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["rows"][0]))


if __name__ == "__main__":
    main()
