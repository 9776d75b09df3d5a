"""Rounds: a run is worked on once, and again whenever its caller reopens it. What stands when a round begins?

A run IS its events. An event that lets a run go on (a step reopened, a branch begun, a plan approved, resuming) begins
a round; the events before it, folded, are the ground that the round stands on, and those after it are its own record,
which `replay` gives to the loop when the round is taken up again after a crash. So a redraw, a branch and a run's first
pass are the same loop, over another ground; nothing recorded is ever changed.

Deliberately not here: which wishes are allowed (`edits`), and replaying (`replay`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Mapping, Sequence
from typing import NamedTuple

from interleavethinker.arrangement import Arrangement
from interleavethinker.document import DocumentStep, fold
from interleavethinker.events import (
    Arranged,
    Branched,
    Drawn,
    Event,
    Finished,
    Judged,
    Pinned,
    PlanApproved,
    PlanEdited,
    Planned,
    Problem,
    Recorded,
    Resumed,
    StepEdited,
    StepFinished,
    StepInserted,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import ImageJob, ImageRef, InterleaveRequest, Step
from services.orchestrator.replay import undone
from services.orchestrator.rules import attempt_seed

BEGINS_ROUND = (StepReopened, Branched, PlanApproved, Resumed)
RESHAPES = (StepEdited, StepInserted, Arranged, Pinned)
"""What changes from what, or to what, later attempts are drawn: none from before is gone on with after them."""


class Take(NamedTuple):
    """How a step is to be drawn: as planned, or as its caller wants it again. `first` is the first attempt's number,
    `most` how many there may be. `anchor`: the picture that keeps later steps from drifting."""

    step: Step
    prompt: str | None
    seed: int
    first: int
    most: int
    references: tuple[ImageRef, ...] = ()
    anchor: ImageRef | None = None

    def job(self, request: InterleaveRequest, number: int, prompt: str, before: ImageRef | None) -> ImageJob:
        """Its attempt with this number, drawn from the picture `before`."""
        anchored = (self.anchor,) if self.anchor and self.anchor != before else ()
        references = (before, *anchored, *self.references) if before else self.references
        seed = attempt_seed(self.seed, self.step.index, number)
        return ImageJob(prompt=prompt, references=references, seed=seed, size=request.size, params=request.params)


class Ground(NamedTuple):
    """What stands when a round begins: the steps so far, and how many drawings the run has had.

    `wished_only`: the round draws the reopened steps and leaves others as they are, also those never finished. `spent`:
    how many of a step's attempts are from before it was changed, and so are no beginning of what is drawn now.
    """

    steps: Mapping[int, DocumentStep] = {}
    draws: int = 0
    wished_only: bool = False
    spent: Mapping[int, int] = {}

    def take(self, step: Step, request: InterleaveRequest) -> Take | None:
        """How to draw the step in this round; None for one that is passed by."""
        entry = self.steps.get(step.index)
        first = self.spent.get(step.index, 0) + 1
        references = entry.references if entry and entry.references is not None else request.references
        if entry and (wish := entry.reopened):
            seed = request.seed if wish.seed is None else wish.seed
            most, prompt = wish.max_attempts or request.max_attempts, entry.asked or step.prompt
            return Take(step, prompt, seed, max(first, wish.first), most, references)
        if self.wished_only or (entry and entry.finished):
            return None
        return Take(step, step.prompt, request.seed, first, request.max_attempts, references)

    async def ahead(self, following: AsyncIterable[Step], request: InterleaveRequest) -> Take | None:
        """Of the steps that follow a picture, the take that is drawn from it, as soon as it is written; None where
        there is none."""
        async for step in following:
            take = self.take(step, request)
            if take and take.prompt:
                return take
            if take is None and self.image(step):
                return None  # that one's picture is what is drawn from
        return None

    def image(self, step: Step) -> ImageRef | None:
        """The picture of the step that stands."""
        entry = self.steps.get(step.index)
        return entry.image if entry else None


class Round(NamedTuple):
    """The round that a run is in. `past`: what its loop has recorded, in the loop's order, the plan first. `request`:
    the run's, with the budget that holds now. `problem`: what ended the round before, if that ended badly. `written`:
    the plan's steps as the planner wrote them, whatever was made of them since."""

    request: InterleaveRequest
    ground: Ground
    past: Sequence[Event]
    approved: bool
    problem: Problem | None = None
    written: Sequence[Step] = ()


def round_of(recorded: Sequence[Recorded]) -> Round:
    """The last round in a run's events."""
    gone = undone([each.event for each in recorded])
    recorded = [each for place, each in enumerate(recorded) if place not in gone]
    events = [each.event for each in recorded]
    begins = max((place for place, event in enumerate(events) if isinstance(event, BEGINS_ROUND)), default=0)
    before = fold(recorded[: begins + 1])
    steps = {entry.step.index: entry for entry in (*before.steps, *before.deleted)} if begins else {}
    wished_only = isinstance(events[begins], StepReopened)
    planning = planning_of(events)
    place = {event.step.index: at for at, event in enumerate(planning) if isinstance(event, StepPlanned)}
    changed = max((at for at, event in enumerate(events[:begins]) if isinstance(event, RESHAPES)), default=0)
    # Attempts at a step that an earlier round left open belong to this one, where it works on that step.
    left_open = [
        event
        for event in events[changed:begins]
        if isinstance(event, Drawn | Judged)
        and event.step in place
        and _goes_on(steps[event.step], event.number, wished_only)
    ]
    own = [event for event in events[begins:] if isinstance(event, Drawn | Judged | StepFinished)]
    return Round(
        request=before.request,
        ground=Ground(
            steps,
            draws=draws_of(events[: begins + 1]) - draws_of(left_open),
            wished_only=wished_only,
            spent=Counter(event.step for event in events[:changed] if isinstance(event, Drawn)),
        ),
        past=[*planning, *sorted([*left_open, *own], key=lambda event: place[event.step])],
        approved=any(isinstance(event, PlanApproved | Branched) for event in events),
        problem=next((event.problem for event in reversed(events) if isinstance(event, Finished)), None),
        written=_written(events),
    )


def _goes_on(entry: DocumentStep, number: int, wished_only: bool) -> bool:
    if entry.reopened:
        return number >= entry.reopened.first
    return not entry.finished and not wished_only


def draws_of(events: Sequence[Event]) -> int:
    """How many drawings the run has had; those that it shares with the run it was branched from were not its own."""
    branched = next((place for place, event in enumerate(events) if isinstance(event, Branched)), 0)
    return sum(isinstance(event, Drawn) for event in events[branched:])


def planning_of(events: Sequence[Event]) -> list[StepPlanned | Planned]:
    """The plan that holds, as the planner would have told it: the steps that are shown, as they are by now."""
    whole = [
        Planned(plan=e.plan) if isinstance(e, PlanEdited) else e for e in events if isinstance(e, Planned | PlanEdited)
    ]
    return [*(StepPlanned(step=step) for step in Arrangement.of(events).shown), *whole[-1:]]


def _written(events: Sequence[Event]) -> Sequence[Step]:
    edits = (StepEdited, StepInserted, Arranged)
    return Arrangement.of(event for event in events if not isinstance(event, edits)).shown
