"""The ablation: every row of `rows` on the same held-out requests and seeds, through the real loop, in one run.

Whatever rows have in common is made once: plans by planner, drawings by job, verdicts by critic. What the outcomes say
is the business of `assessed`, `comparisons` and `wordings`; `ablation_report` prints and plots it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evaluation.assessed import Assessed, assess, assess_one_picture, nothing, row_numbers
from evaluation.comparisons import compared, derived, targets
from evaluation.documents import (
    ExactCritic,
    Readings,
    RememberedCritic,
    RememberedGenerator,
    ReseedingCritic,
    plan_of,
    run,
)
from evaluation.opened import digest, open_critic, open_planner
from evaluation.rows import GENERATORS, NOBODY, ORACLE, Row
from evaluation.wordings import drawing, held_out_cases, measure_wordings
from interleavethinker.errors import BadCheckpoint
from interleavethinker.ports import Critic
from interleavethinker.types import Brief, CriticMode, Plan, Step
from smallworld.prompts import STYLES
from smallworld.recipes import recipe
from training.batched import BatchedGenerator, MemoryBlobs
from training.lessons import planned

Say = Callable[[str], None]
SIDE_BY_SIDE = 100
"""Documents of each row that are under way at once: enough to fill batches, few enough to tell the time left."""
EVERY_SECONDS = 15.0


class Progress:
    """Says how far the work is, now and then, with the time left."""

    def __init__(self, what: str, total: int, say: Say) -> None:
        self._what, self._total, self._say = what, total, say
        self._done = 0
        self._began = self._said = time.monotonic()

    def add(self, count: int = 1) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._said >= EVERY_SECONDS:
            spent = now - self._began
            left = spent / self._done * max(0, self._total - self._done)
            known = self._done * 20 >= self._total  # before that, filling the first batches is most of the time
            rest = f", about {left / 60:.1f} left" if known else ""
            self._say(f"{self._what}: {self._done}/{self._total}, {spent / 60:.1f} min{rest}")
            self._said = now


class Laboratory:
    """The requests, the models behind the rows, opened when first needed, and all that was made so far."""

    def __init__(self, checkpoints: dict[str, Path], n: int, seed: int) -> None:
        self.checkpoints = checkpoints
        self.blobs = MemoryBlobs()
        self.readings = Readings(self.blobs)
        self.exact = ExactCritic(self.readings)
        rng = random.Random(f"evaluate documents {seed}")
        self.recipes = [recipe(rng, held_out=True) for _ in range(n)]
        self.pipelines: dict[str, BatchedGenerator] = {}
        self._generators: dict[str, RememberedGenerator] = {}
        self._critics: dict[str, Critic] = {}
        self._plans: dict[str, list[Plan | None]] = {}

    async def open(self, rows: Sequence[Row]) -> None:
        """Load every model that the rows need, and let every planner make its plans. Raises BadCheckpoint for a model
        that was trained on other prompts."""
        for name in dict.fromkeys(row.generator for row in rows):
            self.pipelines[name] = BatchedGenerator(self.checkpoints[name], self.blobs)
            self._generators[name] = RememberedGenerator(self.pipelines[name])
        for name in dict.fromkeys(row.critic for row in rows if row.critic not in (None, ORACLE)):
            assert name is not None
            critic = open_critic(self.checkpoints[name], self.blobs)
            _fits(await critic.ready())
            self._critics[name] = RememberedCritic(critic)
        for name in dict.fromkeys(row.planner for row in rows):
            self._plans[name] = await self._planned(name)

    async def _planned(self, name: str) -> list[Plan | None]:
        if name == ORACLE:
            return [Plan(steps=planned(made)) for made in self.recipes]
        if name == NOBODY:
            return [Plan(steps=(Step(index=1, prompt=made.request),)) for made in self.recipes]
        planner = open_planner(self.checkpoints[name], self.blobs)
        _fits(await planner.ready())
        return await asyncio.gather(*(plan_of(planner, Brief(prompt=made.request)) for made in self.recipes))

    async def document(self, row: Row, number: int) -> Assessed:
        """The document of one request as the row makes it. The request's number is the loop's seed."""
        made, plan = self.recipes[number], self._plans[row.planner][number]
        if plan is None:
            return nothing(made)
        critic = self.exact if row.critic in (None, ORACLE) else self._critics[row.critic or ORACLE]
        trace = await run(
            made.request,
            plan,
            seed=number,
            attempts=row.attempts,
            generator=self._generators[row.generator],
            critic=ReseedingCritic(critic) if row.reseed else critic,
            mode=CriticMode.QUICK if row.critic else CriticMode.OFF,
        )
        if row.planner == NOBODY:
            return await assess_one_picture(made, trace, self.readings)
        return await assess(made, plan, trace, self.readings)


def _fits(reasons: list[str]) -> None:
    if reasons:
        raise BadCheckpoint("; ".join(reasons))


async def measure_rows(laboratory: Laboratory, rows: Sequence[Row], say: Say) -> dict[str, list[Assessed]]:
    """Row -> its documents, in the order of the requests. Rows that are the same runs are run once."""
    distinct = list(dict.fromkeys(row.runs for row in rows))
    count = len(laboratory.recipes)
    progress = Progress(f"documents of {len(rows)} rows", len(distinct) * count, say)
    places = asyncio.Semaphore(SIDE_BY_SIDE * len(distinct))

    async def one(row: Row, number: int) -> Assessed:
        async with places:
            made = await laboratory.document(row, number)
        progress.add()
        return made

    made = await asyncio.gather(*(one(row, number) for number in range(count) for row in distinct))
    by_runs = {row: made[at :: len(distinct)] for at, row in enumerate(distinct)}
    return {row.name: list(by_runs[row.runs]) for row in rows}


async def measure_generators(laboratory: Laboratory, n: int, seed: int, say: Say) -> dict[str, dict[str, Any]]:
    """Generator -> the reliability of every wording family, for the generators that the rows have opened."""
    cases = held_out_cases(n, seed)
    names = [name for name in GENERATORS if name in laboratory.pipelines]
    progress = Progress("wording families", len(names) * len(STYLES), say)
    measured = await asyncio.gather(
        *(
            asyncio.to_thread(measure_wordings, cases, drawing(laboratory.pipelines[name].pipeline), progress.add)
            for name in names
        )
    )
    return dict(zip(names, measured, strict=True))


async def ablation(
    checkpoints: dict[str, Path], rows: Sequence[Row], n: int, seed: int, say: Say, *, wordings: bool = True
) -> dict[str, Any]:
    """All of it: rows, comparisons, derived figures, targets, wordings (all numbers as Metrics), and the digests of
    the checkpoints used."""
    began = time.monotonic()
    laboratory = Laboratory(checkpoints, n, seed)
    await laboratory.open(rows)
    say(f"models opened and plans made: {time.monotonic() - began:.0f} s")
    documents = await measure_rows(laboratory, rows, say)
    say(f"documents made: {time.monotonic() - began:.0f} s")
    successes = {name: [document.success for document in made] for name, made in documents.items()}
    comparisons, figures = compared(successes), derived(successes, seed)
    used = dict.fromkeys(name for row in rows for name in row.needs)
    result = {
        "rows": [{"row": name} | row_numbers(made, seed) for name, made in documents.items()],
        "comparisons": comparisons,
        "derived": figures,
        "targets": targets(comparisons, figures),
        "wordings": await measure_generators(laboratory, n, seed, say) if wordings else {},
        "checkpoints": {
            name: {"directory": str(checkpoints[name]), "digest": digest(checkpoints[name])} for name in used
        },
    }
    return result | {"seconds": round(time.monotonic() - began)}
