"""Seconds a document: our loop beside the method's sequential one, on the same stand-ins, and beside the floor that no
loop can go below. `make bench`; the result is bench/results/documents.json and its picture.

Ours is the loop as it is served (`Runs`, leases, a journal on disk), without HTTP between the rooms; the baseline has
no journal and so no time of its own. The models' seconds are `latencies` times `pace`, and what was measured is
divided by it again: what the orchestrator itself takes counts 1 / pace times here, so it is over-, never understated.
Every document is made by the baseline and by each of the `OVERLAPS`, one after the other, with the same verdicts.
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
from bench.latencies import DENOISE_STEPS, PROFILES, Floor, Profile, floor, percentile
from bench.sequential import sequential
from bench.standins import LanguageGpu, Lots, StandInCritic, StandInGenerator, StandInPlanner
from interleavethinker.document import fold
from interleavethinker.events import Drawn, Event, Finished, Recorded, Status, StepFinished
from interleavethinker.types import Brief, InterleaveRequest
from services.orchestrator.journal import Journal
from services.orchestrator.reach import Reach
from services.orchestrator.runs import Runs

STEPS, ACCEPTANCES = (4, 8, 12), (0.5, 0.7, 0.85, 0.95)
ATTEMPTS = 5
END_SECONDS = 600.0
PLAIN, NEXT_STEP, GUESSING = Reach(), Reach(depth=1, worth=0.0), Reach(depth=4, judging=4)
"""How far ahead is worked: not at all, by one guessed drawing, and as the `gpu` profile has it."""
SIDE_BY_SIDE = Reach(side_by_side=4, judging=8)
OVERLAPS = {
    "": {"none": PLAIN, "next step": NEXT_STEP, "deep": GUESSING},
    "independent": {"none": PLAIN, "side by side": SIDE_BY_SIDE},
    "candidates": {"none": PLAIN, "side by side": SIDE_BY_SIDE},
}
"""By the kind of the document: an ordinary one; one of independent steps; one with three candidates a redraw. The last
two are measured with four workers, 8 steps and an acceptance of .7."""
CANDIDATES = 3


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
    kind: str = ""

    @property
    def workers(self) -> int:
        return 4 if self.kind else 1

    def ask(self, document: int) -> InterleaveRequest:
        asked = asking(document, self.acceptance, self.steps)
        kinds: dict[str, dict[str, Any]] = {
            "independent": {"independent_steps": True},
            "candidates": {"candidates": CANDIDATES},
        }
        return asked.model_copy(update=kinds.get(self.kind, {}))

    def floor(self, document: int) -> Floor:
        how: dict[str, Any] = {"independent": self.kind == "independent"}
        how |= {"candidates": CANDIDATES} if self.kind == "candidates" else {}
        return floor(self.profile, self.steps, ATTEMPTS, Lots(document, self.acceptance).accepts, **how)


class Made(NamedTuple):
    """A document: seconds at full pace, of all and to its first picture; each step's kept attempt; pictures drawn, also
    in vain; attempts in all; what was made."""

    seconds: float
    first: float
    attempts: tuple[int, ...]
    pictures: float
    draws: int
    digest: str = ""


class Set(NamedTuple):
    """The same document by the baseline, by our loop with each of the `OVERLAPS`, and the floors."""

    baseline: Made
    ours: tuple[Made, ...]
    floor: float
    one_ahead: float


def asking(document: int, acceptance: float, steps: int) -> InterleaveRequest:
    brief = Brief(prompt=f"{document} {acceptance}")
    return InterleaveRequest(brief=brief, seed=document, max_attempts=ATTEMPTS, max_steps=steps)


async def by_baseline(case: Case, document: int, pace: float) -> Made:
    profile = case.profile.paced(pace)
    gpu, request = LanguageGpu(profile), case.ask(document)
    async with StandInGenerator(profile, case.workers) as generator:
        began = time.perf_counter()
        kept = await sequential(
            request,
            planner=StandInPlanner(gpu, case.steps),
            generator=generator,
            critic=StandInCritic(gpu, stop_on_accept=False),
        )
        seconds = (time.perf_counter() - began) / pace
    first = case.profile.closes(case.steps) + case.profile.text_to_image  # computed: it waits for the plan
    attempts = tuple(number for number, _ in kept)
    return Made(seconds, first, attempts, generator.denoised / DENOISE_STEPS, sum(attempts))


async def by_ours(case: Case, document: int, pace: float, journal: Told, reach: Reach) -> Made:
    profile = case.profile.paced(pace)
    gpu = LanguageGpu(profile)
    async with StandInGenerator(profile, case.workers) as generator:
        runs = Runs(
            journal,
            planner=StandInPlanner(gpu, case.steps),
            critic=StandInCritic(gpu, stop_on_accept=True),
            generator=generator,
            at_once=1,
            reach=reach,
        )
        runs.open()
        await asyncio.sleep(0.02)  # its first look at the journal is at no run's cost
        journal.ended.clear()
        began = time.perf_counter()
        run_id = await runs.start(case.ask(document))
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
    draws = sum(isinstance(each.event, Drawn) for each in events)
    return Made(seconds, first, attempts, generator.denoised / DENOISE_STEPS, draws, fold(events).digest)


async def one_set(case: Case, document: int, pace: float, journal: Told) -> Set:
    baseline = await by_baseline(case, document, pace)
    ours = [await by_ours(case, document, pace, journal, reach) for reach in OVERLAPS[case.kind].values()]
    decided = {made.attempts for made in (ours if case.kind == "candidates" else (baseline, *ours))}
    if len(decided) > 1 or len({made.digest for made in ours}) > 1:
        raise RuntimeError(f"the loops decided differently: {baseline}, {ours}")
    return Set(baseline, tuple(ours), *case.floor(document))


def rows(case: Case, sets: Sequence[Set]) -> list[dict[str, Any]]:
    """One for each of the `OVERLAPS`. Ratios are medians over the pairs."""
    found = []
    for place, (overlap, reach) in enumerate(OVERLAPS[case.kind].items()):
        ours = [each.ours[place] for each in sets]
        pairs = list(zip(ours, sets, strict=True))
        found.append(
            {
                "profile": case.profile.name,
                "steps": case.steps,
                "acceptance": case.acceptance,
                "kind": case.kind,
                "workers": case.workers,
                "overlap": overlap,
                "speculate": reach.depth > 0,
                "depth": reach.depth,
                "judge_ahead": reach.judging > 0,
                "n": len(sets),
                "seconds": spread([made.seconds for made in ours]),
                "baseline_seconds": spread([each.baseline.seconds for each in sets]),
                "floor_seconds": round(median(each.floor for each in sets), 2),
                "floor_one_ahead_seconds": round(median(each.one_ahead for each in sets), 2),
                "ratio_to_baseline": round(median(made.seconds / each.baseline.seconds for made, each in pairs), 3),
                "ratio_to_floor": round(median(made.seconds / each.floor for made, each in pairs), 3),
                "ratio_to_floor_one_ahead": round(median(made.seconds / each.one_ahead for made, each in pairs), 3),
                "draws": round(fmean(made.draws for made in ours), 2),
                "pictures_drawn": round(fmean(made.pictures for made in ours), 2),
                "first_picture_seconds": round(median(made.first for made in ours), 2),
                "baseline_first_picture_seconds": round(median(each.baseline.first for each in sets), 2),
            }
        )
    return found


def _case(profile: str, steps: int, acceptance: float, kind: str) -> tuple[int, int, int, float]:
    names = [each.name for each in PROFILES]
    place = names.index(profile) if profile in names else len(names)  # the small models come last
    return list(OVERLAPS).index(kind), place, steps, acceptance


def _place(row: dict[str, Any]) -> tuple[tuple[int, int, int, float], int]:
    overlap = row.get("overlap", "next step" if row["speculate"] else "none")
    return _of(row), list(OVERLAPS[row.get("kind", "")]).index(overlap)


def _of(row: dict[str, Any]) -> tuple[int, int, int, float]:
    return _case(row["profile"], row["steps"], row["acceptance"], row.get("kind", ""))


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"p50": round(percentile(values, 0.5), 2), "p95": round(percentile(values, 0.95), 2)}


async def measure(
    cases: Sequence[Case], documents: int, pace: float, lanes: int, keep: Callable[[list[dict[str, Any]]], None]
) -> None:
    """`keep` gets the rows that are whole by now, each time some became so. `lanes` documents at the same time, each
    with models and a journal of its own."""
    found: dict[Case, list[Set]] = {case: [] for case in cases}
    todo = iter([(case, document) for case in cases for document in range(documents)])
    began = time.monotonic()

    opened = asyncio.Barrier(lanes)

    async def lane(home: Path) -> None:
        async with Told(f"sqlite:///{home}/journal.db") as journal:
            await opened.wait()  # making a journal is at no document's cost
            for case, document in todo:
                found[case].append(await one_set(case, document, pace, journal))
                if len(found[case]) == documents:
                    for row in rows(case, found[case]):
                        _print(row, time.monotonic() - began)
                    keep([row for each in cases if len(found[each]) == documents for row in rows(each, found[each])])

    with tempfile.TemporaryDirectory() as home:
        await asyncio.gather(*(lane(Path(home) / str(number)) for number in range(lanes)))


def _print(row: dict[str, Any], at: float) -> None:
    print(
        f"{at:6.0f} s  {row['profile']:6} {row['steps']:2} steps at {row['acceptance']:.2f}"
        f" {row['kind']:11} {row['overlap']:12}: {row['seconds']['p50']:6.1f} s"
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
    asked.add_argument("--kind", choices=[kind for kind in OVERLAPS if kind], action="append", help="these alone")
    asked.add_argument("--out", type=Path, default=Path("bench/results/documents.json"))
    asked.add_argument("--keep", action="store_true", help="leave the file's rows of other cases as they are")
    chosen = asked.parse_args(argv)
    cases = [
        Case(profile, steps, acceptance)
        for profile in PROFILES
        if not chosen.profile or profile.name in chosen.profile
        for steps in chosen.steps or STEPS
        for acceptance in chosen.acceptance or ACCEPTANCES
    ] + [
        Case(profile, 8, 0.7, kind)
        for kind in OVERLAPS
        for profile in PROFILES
        if kind and (kind in chosen.kind if chosen.kind else not (chosen.steps or chosen.acceptance or chosen.profile))
    ]
    cases = [case for case in cases if case.kind or not chosen.kind]
    said = " ".join(["python -m bench.documents", *(sys.argv[1:] if argv is None else argv)])
    result = {
        "command": said,
        "n": chosen.documents,
        "seeds": f"0..{chosen.documents - 1}",
        "pace": chosen.pace,
        "lanes": chosen.lanes,
        "max_attempts": ATTEMPTS,
        "workers": "1; 4 of the kinds independent and candidates",
        "rows": [],
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)

    now = {_case(case.profile.name, case.steps, case.acceptance, case.kind) for case in cases}
    before = json.loads(chosen.out.read_text())["rows"] if chosen.keep else []
    others = [row for row in before if _of(row) not in now]

    def keep(whole: list[dict[str, Any]]) -> None:
        result["rows"] = sorted([*others, *whole], key=_place)
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")

    asyncio.run(measure(cases, chosen.documents, chosen.pace, chosen.lanes, keep))
    if not chosen.kind:
        plots.documents(result, chosen.out.with_suffix(".png"))
    print(chosen.out)


if __name__ == "__main__":
    main()
