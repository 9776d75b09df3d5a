"""Seconds a document: our loop beside the method's sequential one, on the same stand-ins, and beside the floor that no
loop can go below. `make bench`; the result is bench/results/documents.json and its picture.

Ours is the loop as it is served (`Runs`, leases, a journal on disk), without HTTP between the rooms; the baseline has
no journal and so no time of its own. The models' seconds are `latencies` times `pace`, and what was measured is
divided by it again: what the orchestrator itself takes counts 1 / pace times here, so it is over-, never understated.
Every document is made by the baseline, without and with speculation, one after the other, with the same verdicts.
Deliberately not here: many documents on the same workers (`throughput`), and the orchestrator's own time
(`overhead`)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from bench import plots
from bench.latencies import DENOISE_STEPS, PROFILES, Profile, floor, percentile
from bench.sequential import sequential
from bench.standins import LanguageGpu, Lots, StandInCritic, StandInGenerator, StandInPlanner
from interleavethinker.events import Drawn, Event, Finished, Recorded, Status, StepFinished
from interleavethinker.types import Brief, InterleaveRequest
from services.orchestrator.journal import Journal
from services.orchestrator.runs import Runs

STEPS, ACCEPTANCES = (4, 8, 12), (0.5, 0.7, 0.85, 0.95)
ATTEMPTS = 5
END_SECONDS = 600.0


class Told(Journal):
    """A journal that tells of a run's end without being read: a reader's own queries are at no loop's cost."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.ended, self.ends = asyncio.Event(), 0

    async def append(self, run_id: str, event: Event, *, fence: int | None = None) -> Recorded:
        recorded = await super().append(run_id, event, fence=fence)
        if isinstance(event, Finished):
            self.ends += 1
            self.ended.set()
        return recorded


class Case(NamedTuple):
    profile: Profile
    steps: int
    acceptance: float


class Made(NamedTuple):
    """A document: seconds at full pace, of all and to its first picture; each step's attempts; pictures drawn, also in
    vain."""

    seconds: float
    first: float
    attempts: tuple[int, ...]
    pictures: float


class Trio(NamedTuple):
    """The same document by the baseline, by our loop without and with speculation, and the floors."""

    baseline: Made
    plain: Made
    speculating: Made
    floor: float
    one_ahead: float


def asking(document: int, acceptance: float, steps: int) -> InterleaveRequest:
    brief = Brief(prompt=f"{document} {acceptance}")
    return InterleaveRequest(brief=brief, seed=document, max_attempts=ATTEMPTS, max_steps=steps)


async def by_baseline(case: Case, document: int, pace: float) -> Made:
    profile = case.profile.paced(pace)
    gpu, request = LanguageGpu(profile), asking(document, case.acceptance, case.steps)
    async with StandInGenerator(profile, workers=1) as generator:
        began = time.perf_counter()
        kept = await sequential(
            request,
            planner=StandInPlanner(gpu, case.steps),
            generator=generator,
            critic=StandInCritic(gpu, stop_on_accept=False),
        )
        seconds = (time.perf_counter() - began) / pace
    first = case.profile.closes(case.steps) + case.profile.text_to_image  # computed: it waits for the plan
    return Made(seconds, first, tuple(number for number, _ in kept), generator.denoised / DENOISE_STEPS)


async def by_ours(case: Case, document: int, pace: float, journal: Told, *, speculate: bool) -> Made:
    profile = case.profile.paced(pace)
    gpu = LanguageGpu(profile)
    async with StandInGenerator(profile, workers=1) as generator:
        runs = Runs(
            journal,
            planner=StandInPlanner(gpu, case.steps),
            critic=StandInCritic(gpu, stop_on_accept=True),
            generator=generator,
            at_once=1,
            speculate=speculate,
        )
        runs.open()
        await asyncio.sleep(0.02)  # its first look at the journal is at no run's cost
        journal.ended.clear()
        began = time.perf_counter()
        run_id = await runs.start(asking(document, case.acceptance, case.steps))
        async with asyncio.timeout(END_SECONDS):
            await journal.ended.wait()
        seconds = (time.perf_counter() - began) / pace
        await runs.close()
    if (await journal.run(run_id)).status is not Status.SUCCEEDED:
        raise RuntimeError(f"document {document} of {case} came to no good end")
    events = await journal.events(run_id)
    drawn = next(each for each in events if isinstance(each.event, Drawn))
    first = (drawn.at - events[0].at).total_seconds() / pace
    attempts = tuple(each.event.kept or 0 for each in events if isinstance(each.event, StepFinished))
    return Made(seconds, first, attempts, generator.denoised / DENOISE_STEPS)


async def trio(case: Case, document: int, pace: float, journal: Told) -> Trio:
    baseline = await by_baseline(case, document, pace)
    plain = await by_ours(case, document, pace, journal, speculate=False)
    speculating = await by_ours(case, document, pace, journal, speculate=True)
    if not baseline.attempts == plain.attempts == speculating.attempts:
        raise RuntimeError(f"the loops decided differently: {baseline}, {plain}, {speculating}")
    lots = Lots(document, case.acceptance)
    return Trio(baseline, plain, speculating, *floor(case.profile, case.steps, ATTEMPTS, lots.accepts))


def rows(case: Case, trios: Sequence[Trio]) -> list[dict[str, Any]]:
    """Two: without and with speculation. Ratios are medians over the pairs."""
    found = []
    for speculate in (False, True):
        ours = [each.speculating if speculate else each.plain for each in trios]
        pairs = list(zip(ours, trios, strict=True))
        found.append(
            {
                "profile": case.profile.name,
                "steps": case.steps,
                "acceptance": case.acceptance,
                "speculate": speculate,
                "n": len(trios),
                "seconds": _spread([made.seconds for made in ours]),
                "baseline_seconds": _spread([each.baseline.seconds for each in trios]),
                "floor_seconds": round(median(each.floor for each in trios), 2),
                "floor_one_ahead_seconds": round(median(each.one_ahead for each in trios), 2),
                "ratio_to_baseline": round(median(made.seconds / each.baseline.seconds for made, each in pairs), 3),
                "ratio_to_floor": round(median(made.seconds / each.floor for made, each in pairs), 3),
                "ratio_to_floor_one_ahead": round(median(made.seconds / each.one_ahead for made, each in pairs), 3),
                "draws": round(fmean(sum(made.attempts) for made in ours), 2),
                "pictures_drawn": round(fmean(made.pictures for made in ours), 2),
                "first_picture_seconds": round(median(made.first for made in ours), 2),
                "baseline_first_picture_seconds": round(median(each.baseline.first for each in trios), 2),
            }
        )
    return found


def _case(profile: str, steps: int, acceptance: float) -> tuple[int, int, float]:
    names = [each.name for each in PROFILES]
    return (names.index(profile) if profile in names else len(names)), steps, acceptance  # the small models come last


def _place(row: dict[str, Any]) -> tuple[tuple[int, int, float], bool]:
    return _case(row["profile"], row["steps"], row["acceptance"]), row["speculate"]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"p50": round(percentile(values, 0.5), 2), "p95": round(percentile(values, 0.95), 2)}


async def measure(
    cases: Sequence[Case], documents: int, pace: float, lanes: int, keep: Callable[[list[dict[str, Any]]], None]
) -> None:
    """`keep` gets the rows that are whole by now, each time some became so. `lanes` documents at the same time, each
    with models and a journal of its own."""
    found: dict[Case, list[Trio]] = {case: [] for case in cases}
    todo = iter([(case, document) for case in cases for document in range(documents)])
    began = time.monotonic()

    opened = asyncio.Barrier(lanes)

    async def lane(home: Path) -> None:
        async with Told(f"sqlite:///{home}/journal.db") as journal:
            await opened.wait()  # making a journal is at no document's cost
            for case, document in todo:
                found[case].append(await trio(case, document, pace, journal))
                if len(found[case]) == documents:
                    for row in rows(case, found[case]):
                        _print(row, time.monotonic() - began)
                    keep([row for each in cases if len(found[each]) == documents for row in rows(each, found[each])])

    with tempfile.TemporaryDirectory() as home:
        await asyncio.gather(*(lane(Path(home) / str(number)) for number in range(lanes)))


def _print(row: dict[str, Any], at: float) -> None:
    print(
        f"{at:6.0f} s  {row['profile']:6} {row['steps']:2} steps at {row['acceptance']:.2f}"
        f" {'speculating' if row['speculate'] else '':11}: {row['seconds']['p50']:6.1f} s"
        f" (p95 {row['seconds']['p95']:6.1f})"
        f"  baseline x {row['ratio_to_baseline']:.2f}  floor x {row['ratio_to_floor']:.2f}"
        f"  draws {row['draws']} (pictures {row['pictures_drawn']})",
        flush=True,
    )


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.documents", description=__doc__)
    asked.add_argument("--documents", type=int, default=12, help="a row")
    asked.add_argument("--pace", type=float, default=0.5, help="the models' seconds are multiplied by it")
    asked.add_argument("--lanes", type=int, default=24, help="documents at the same time, each on models of its own")
    asked.add_argument("--profile", choices=[each.name for each in PROFILES], action="append")
    asked.add_argument("--steps", type=int, action="append")
    asked.add_argument("--acceptance", type=float, action="append")
    asked.add_argument("--out", type=Path, default=Path("bench/results/documents.json"))
    asked.add_argument("--keep", action="store_true", help="leave the file's rows of other cases as they are")
    chosen = asked.parse_args(argv)
    cases = [
        Case(profile, steps, acceptance)
        for profile in PROFILES
        if not chosen.profile or profile.name in chosen.profile
        for steps in chosen.steps or STEPS
        for acceptance in chosen.acceptance or ACCEPTANCES
    ]
    said = " ".join(["python -m bench.documents", *(sys.argv[1:] if argv is None else argv)])
    result = {
        "command": said,
        "n": chosen.documents,
        "seeds": f"0..{chosen.documents - 1}",
        "pace": chosen.pace,
        "lanes": chosen.lanes,
        "max_attempts": ATTEMPTS,
        "workers": 1,
        "rows": [],
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)

    now = {_case(case.profile.name, case.steps, case.acceptance) for case in cases}
    before = json.loads(chosen.out.read_text())["rows"] if chosen.keep else []
    others = [row for row in before if _case(row["profile"], row["steps"], row["acceptance"]) not in now]

    def keep(whole: list[dict[str, Any]]) -> None:
        result["rows"] = sorted([*others, *whole], key=_place)
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")

    asyncio.run(measure(cases, chosen.documents, chosen.pace, chosen.lanes, keep))
    plots.documents(result, chosen.out.with_suffix(".png"))
    print(chosen.out)


if __name__ == "__main__":
    main()
