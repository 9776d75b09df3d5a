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

Deliberately not here: the journal itself, and when to resume (`runs`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence

from interleavethinker.errors import Conflict
from interleavethinker.events import Drawn, Event, Judged, Planned, StepFinished, StepPlanned
from interleavethinker.ports import Critic, Generator, Judgement, Planner, Planning
from interleavethinker.types import Brief, Critique, Drawing, ImageJob, Step
from services.orchestrator.writing import Record


class Replay:
    """A run taken up where its recorded events stop; with no events, a run from its beginning."""

    def __init__(
        self, events: Sequence[Event], *, planner: Planner, generator: Generator, critic: Critic, record: Record
    ) -> None:
        self.planner = RecordedPlanner(planner, events)
        self.generator = RecordedGenerator(generator, events)
        self.critic = RecordedCritic(critic, events)
        self._write = record
        self._planning = deque(event for event in events if isinstance(event, StepPlanned | Planned))
        self._drawing = deque(event for event in events if isinstance(event, Drawn | Judged | StepFinished))

    async def record(self, event: Event) -> None:
        """Write the event if it is new. Raises Conflict where the journal holds another one in its place."""
        past: deque = self._planning if isinstance(event, StepPlanned | Planned) else self._drawing
        if not past:
            await self._write(event)
        elif not _same(recorded := past.popleft(), event):
            raise _differs(recorded, event)


class RecordedPlanner:
    """A planner whose recorded steps come first."""

    def __init__(self, planner: Planner, events: Sequence[Event]) -> None:
        self._planner = planner
        self._steps = [event.step for event in events if isinstance(event, StepPlanned)]
        self._end = next(
            (Planning(event.plan, event.raw, event.model) for event in events if isinstance(event, Planned)), None
        )

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncIterator[Step | Planning]:
        for step in self._steps:
            yield step
        if self._end:
            yield self._end
            return
        known = deque(self._steps)
        async for part in self._planner.plan(brief, seed=seed, max_steps=max_steps):
            if not known:
                yield part
            elif part != known.popleft():
                raise Conflict(
                    "the planner was interrupted and, asked again with the same seed, wrote another plan: "
                    "only the steps recorded before stand. Ask for a new run to get a whole plan."
                )


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
            Judgement(event.verdict, event.raw, event.model) for event in events if isinstance(event, Judged)
        )

    async def judge(self, critique: Critique) -> Judgement:
        return self._judged.popleft() if self._judged else await self._critic.judge(critique)


def _same(recorded: Event, event: Event) -> bool:
    """Equal apart from how long it took."""
    return recorded.model_dump(exclude={"seconds"}) == event.model_dump(exclude={"seconds"})


def _differs(recorded: Event, now: Event | ImageJob) -> Conflict:
    return Conflict(
        "the journal and the loop disagree, so the run cannot be resumed (was it begun by another version?): "
        f"recorded {recorded.canonical()[:300]}, now {now.canonical()[:300]}"
    )
