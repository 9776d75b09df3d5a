"""Resume: the same loop once more, its first answers taken from the journal instead of the models.

`Replay` holds what the journal has of a run. Its `planner`, `generator` and `critic` stand in front of the real
ports: they give the recorded answers as far as these go, then ask the real ones. Its `record` stands in front of the
journal: an event that is already there is ticked off, not written again. So nothing is drawn, asked or written twice.

The plan and the drawing go on side by side, so their events may come in another order than before; each of the two
keeps its own order, and is compared with its own part of the journal. Seconds are not compared.

A plan that was cut half-way (steps, but no `Planned`): the recorded steps stand and are drawn from at once, and the
planner is asked again with the same seed. Where its answer begins with just those steps, the rest follows. Where it
does not, mixing two plans would make a document that nobody planned: the run ends `partial` after the recorded steps,
with a Conflict.

A run that its user resumes is replayed likewise; a step that only a spent budget had settled is gone on with
(`standing`).

Deliberately not here: the journal itself, and when to resume (`runs`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from interleavethinker.errors import Conflict
from interleavethinker.events import (
    Created,
    Drawn,
    Event,
    Finished,
    Judged,
    Planned,
    Resumed,
    StepFinished,
    StepPlanned,
    StepReopened,
)
from interleavethinker.ports import Critic, Generator, Judgement, Planner, Planning
from interleavethinker.types import Brief, Critique, Drawing, ImageJob, Step
from services.orchestrator.rules import BudgetSpent
from services.orchestrator.writing import Record


class Replay:
    """A run taken up where its recorded events stop; with no events, a run from its beginning."""

    def __init__(
        self,
        events: Sequence[Event],
        *,
        planner: Planner,
        generator: Generator,
        critic: Critic,
        record: Record,
        replan: bool = True,
        written: Sequence[Step] | None = None,
    ) -> None:
        self.planner = RecordedPlanner(planner, events, replan=replan, written=written)
        self.generator = RecordedGenerator(generator, events)
        self.critic = RecordedCritic(critic, events)
        self._write = record
        self._planning = deque(event for event in events if isinstance(event, StepPlanned | Planned))
        self._drawing = deque(event for event in standing(events) if isinstance(event, Drawn | Judged | StepFinished))

    async def record(self, event: Event) -> None:
        """Write the event if it is new. Raises Conflict where the journal holds another one in its place."""
        past: deque = self._planning if isinstance(event, StepPlanned | Planned) else self._drawing
        if not past:
            await self._write(event)
        elif not _same(recorded := past.popleft(), event):
            raise _differs(recorded, event)


class RecordedPlanner:
    """A planner whose recorded steps come first; without `replan` a plan that was cut half-way is left so. `written`:
    what it wrote of that plan itself, where its steps were edited since."""

    def __init__(
        self,
        planner: Planner,
        events: Sequence[Event],
        *,
        replan: bool = True,
        written: Sequence[Step] | None = None,
    ) -> None:
        self._planner, self._replan = planner, replan
        self._steps = [event.step for event in events if isinstance(event, StepPlanned)]
        self._written = self._steps if written is None else written
        self._end = next(
            (
                Planning(event.plan, event.raw, event.model, event.pack)
                for event in events
                if isinstance(event, Planned)
            ),
            None,
        )

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        for step in self._steps:
            yield step
        if self._end:
            yield self._end
        if self._end or not self._replan:
            return
        answer = self._planner.plan(brief, seed=seed, max_steps=max_steps)
        async with aclosing(beyond(self._written, answer)) as rest:
            async for part in rest:
                yield part


class RecordedGenerator:
    """A generator whose recorded drawings come first."""

    def __init__(self, generator: Generator, events: Sequence[Event]) -> None:
        self._generator = generator
        self._drawn = deque(event for event in events if isinstance(event, Drawn))

    @property
    def recorded(self) -> bool:
        """Whether the next drawing is a recorded one (and so was within every limit of the run)."""
        return bool(self._drawn)

    async def draw(self, job: ImageJob) -> Drawing:
        if not self._drawn:
            return await self._generator.draw(job)
        past = self._drawn.popleft()
        if past.job != job:
            raise _differs(past, job)
        return past.drawing

    async def foresee(self, job: ImageJob) -> None:
        if not self._drawn:
            await self._generator.foresee(job)

    async def forget(self, job: ImageJob) -> None:
        if not self._drawn:
            await self._generator.forget(job)


class RecordedCritic:
    """A critic whose recorded verdicts come first."""

    def __init__(self, critic: Critic, events: Sequence[Event]) -> None:
        self._critic = critic
        self._judged = deque(
            Judgement(event.verdict, event.raw, event.model, event.pack)
            for event in events
            if isinstance(event, Judged)
        )

    async def judge(self, critique: Critique) -> Judgement:
        return self._judged.popleft() if self._judged else await self._critic.judge(critique)


async def beyond(
    known: Sequence[Step], answer: AsyncGenerator[Step | Planning, None]
) -> AsyncGenerator[Step | Planning, None]:
    """What a planner that was asked again says after the steps that are known. Raises Conflict where it does not begin
    with these."""
    left = deque(known)
    async with aclosing(answer):
        async for part in answer:
            if not left:
                yield part
            elif part != left.popleft():
                raise Conflict(
                    "the planner was interrupted and, asked again with the same seed, wrote another plan: "
                    "only the steps recorded before stand. Ask for a new run to get a whole plan."
                )


def standing(events: Sequence[Event]) -> list[Event]:
    """The events without the steps that were settled only because a limit was met, in a run that was resumed since:
    these go on where they stopped, and are settled anew."""
    gone = undone(events)
    return [event for place, event in enumerate(events) if place not in gone]


def undone(events: Sequence[Event]) -> set[int]:
    """The places of the `StepFinished` that a resuming undoes."""
    most = next((event.request.max_attempts for event in events if isinstance(event, Created)), 0)
    attempts, allowed, settled, found = Counter[int](), dict[int, int](), -1, set[int]()
    limited = False
    for place, event in enumerate(events):
        match event:
            case Drawn(step=step):
                attempts[step] += 1
            case StepReopened(step=step, max_attempts=wished):
                attempts[step], allowed[step] = 0, wished or most
            case StepFinished():
                settled = place
            case Finished(problem=problem):
                limited = problem is not None and problem.code == BudgetSpent.code
            case Resumed() if limited and settled >= 0:
                last = events[settled]
                if isinstance(last, StepFinished) and last.accepted is False:
                    cut = attempts[last.step] < allowed.get(last.step, most)
                    found |= {settled} if cut else set()
    return found


def _same(recorded: Event, event: Event) -> bool:
    """Equal apart from how long it took."""
    return recorded.model_dump(exclude={"seconds"}) == event.model_dump(exclude={"seconds"})


def _differs(recorded: Event, now: Event | ImageJob) -> Conflict:
    return Conflict(
        "the journal and the loop disagree, so the run cannot be resumed (was it begun by another version?): "
        f"recorded {recorded.canonical()[:300]}, now {now.canonical()[:300]}"
    )
