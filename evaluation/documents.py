"""One document through the real loop, and what came of it: shared by all that measures documents.

Answers are remembered, so that conditions which ask or draw the same share it, and it is computed once however many
documents run side by side. Which model stands behind a port is the caller's business; numbers are made elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from interleavethinker.errors import Malformed
from interleavethinker.events import Drawn, Event, Judged, StepFinished
from interleavethinker.ports import Critic, Generator, Judgement, Planner, Planning
from interleavethinker.types import (
    Brief,
    CriticMode,
    Critique,
    Drawing,
    ImageJob,
    ImageRef,
    InterleaveRequest,
    Outcome,
    Plan,
    Step,
    Verdict,
)
from services.orchestrator.loop import interleave
from smallworld.critique import verdict_on_reading
from smallworld.edits import Impossible
from smallworld.measure import Reading, read_batch
from smallworld.prompts import Unreadable, parse
from smallworld.scene import Scene
from training.batched import Batcher, MemoryBlobs, loaded

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")


class Remembered(Generic[K, A]):
    """Asks once for each key, also when it is asked again while the answer is on its way."""

    def __init__(self) -> None:
        self._answers: dict[K, asyncio.Future[A]] = {}

    def __call__(self, key: K, ask: Callable[[], Awaitable[A]]) -> Awaitable[A]:
        if key not in self._answers:
            self._answers[key] = asyncio.ensure_future(ask())
        return self._answers[key]


class RememberedCritic:
    """Implements `ports.Critic`: what was judged once is not asked again (answers are greedy, so it would be the
    same)."""

    def __init__(self, critic: Critic) -> None:
        self._critic = critic
        self._judged: Remembered[str, Judgement] = Remembered()

    async def judge(self, critique: Critique) -> Judgement:
        return await self._judged(critique.content_digest, lambda: self._critic.judge(critique))


class RememberedGenerator:
    """Implements `ports.Generator`: no job is drawn twice, nor while it is being drawn."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._drawn: Remembered[str, Drawing] = Remembered()

    async def draw(self, job: ImageJob) -> Drawing:
        return await self._drawn(job.id, lambda: self._generator.draw(job))

    async def foresee(self, job: ImageJob) -> None:
        return None

    async def forget(self, job: ImageJob) -> None:
        return None


class PlannedBefore:
    """Implements `ports.Planner` with plans that were made already, so that conditions are compared on the same
    plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        for step in self._plan.steps:
            yield step
        yield Planning(self._plan)


class ReseedingCritic:
    """Implements `ports.Critic`: another critic's verdicts, but what is refused is drawn again from the same words.

    The loop gives every attempt a seed of its own, so this is luck without refinement.
    """

    def __init__(self, critic: Critic) -> None:
        self._critic = critic

    async def judge(self, critique: Critique) -> Judgement:
        judgement = await self._critic.judge(critique)
        if judgement.verdict.outcome is not Outcome.REVISE:
            return judgement
        return judgement._replace(verdict=judgement.verdict.model_copy(update={"refined_prompt": critique.last_prompt}))


class Readings:
    """What each picture shows, by the exact judge; every picture is read once, many at a time."""

    def __init__(self, blobs: MemoryBlobs) -> None:
        self._blobs = blobs
        self._read = Batcher(read_batch, 64)
        self._known: Remembered[str, Reading] = Remembered()

    async def of(self, image: ImageRef) -> Reading:
        async def look() -> Reading:
            return await self._read(await loaded(self._blobs, image))

        return await self._known(image.digest, look)

    async def before(self, critique: Critique) -> Scene | None:
        return None if critique.before is None else (await self.of(critique.before)).scene

    async def verdict(self, critique: Critique) -> Verdict | None:
        """The right verdict with the best refinement; None when the step's prompt is no step of the small world."""
        try:
            return verdict_on_reading(
                parse(critique.prompt), await self.before(critique), await self.of(critique.after), critique.last_prompt
            )
        except (Unreadable, Impossible):
            return None


class ExactCritic:
    """Implements `ports.Critic` by the exact judge. Abstains where a prompt cannot be carried out at all."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    async def judge(self, critique: Critique) -> Judgement:
        return Judgement(await self._readings.verdict(critique) or Verdict(outcome=Outcome.ABSTAIN))


async def plan_of(planner: Planner, brief: Brief) -> Plan | None:
    """The planner's plan, None when its answer cannot be read."""
    try:
        async for part in planner.plan(brief):
            if isinstance(part, Planning):
                return part.plan
    except (Malformed, ValueError):
        return None
    return None


@dataclass
class Trace:
    """What one run of the loop left: every drawing and verdict, by step and attempt, and how each step ended."""

    drawn: dict[tuple[int, int], Drawn] = field(default_factory=dict)
    judged: dict[tuple[int, int], Judged] = field(default_factory=dict)
    finished: dict[int, StepFinished] = field(default_factory=dict)

    async def record(self, event: Event) -> None:
        if isinstance(event, Drawn):
            self.drawn[event.step, event.number] = event
        elif isinstance(event, Judged):
            self.judged[event.step, event.number] = event
        elif isinstance(event, StepFinished):
            self.finished[event.step] = event

    def kept(self, step: int) -> ImageRef | None:
        """The picture that a step ended with; None for a step without one."""
        end = self.finished.get(step)
        return self.drawn[step, end.kept].drawing.image if end and end.kept else None

    def critiques(self, plan: Plan) -> list[tuple[Critique, Verdict]]:
        """Every question the critic was asked, with its answer."""
        prompts = {step.index: step.prompt or "" for step in plan.steps}
        asked = []
        for (step, number), judged in self.judged.items():
            drawn = self.drawn[step, number]
            critique = Critique(
                prompt=prompts[step],
                last_prompt=drawn.job.prompt,
                before=drawn.job.references[0] if drawn.job.references else None,
                after=drawn.drawing.image,
            )
            asked.append((critique, judged.verdict))
        return asked


async def run(
    request: str, plan: Plan, *, seed: int, attempts: int, generator: Generator, critic: Critic, mode: CriticMode
) -> Trace:
    """One document through the loop, from a plan that is there already."""
    trace = Trace()
    await interleave(
        InterleaveRequest(brief=Brief(prompt=request), seed=seed, max_attempts=attempts, critic=mode),
        planner=PlannedBefore(plan),
        generator=generator,
        critic=critic,
        record=trace.record,
        elapsed=lambda: 0.0,
    )
    return trace
