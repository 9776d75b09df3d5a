"""Rounds: a run is worked on once, and again whenever its caller reopens it. What stands when a round begins?

A run IS its events. An event that lets a run go on (a step reopened, a branch begun, a plan approved, resuming) begins
a round; the events before it, folded, are the ground that the round stands on, and those after it are its own record,
which `replay` gives to the loop when the round is taken up again after a crash. So a redraw, a branch and a run's first
pass are the same loop, over another ground; nothing recorded is ever changed.

Deliberately not here: which wishes are allowed (`edits`), and replaying (`replay`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from interleavethinker.document import DocumentStep, fold
from interleavethinker.events import (
    Branched,
    Drawn,
    Event,
    Finished,
    Judged,
    PlanApproved,
    PlanEdited,
    Planned,
    Problem,
    Recorded,
    Resumed,
    StepFinished,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import ImageRef, InterleaveRequest, Step
from services.orchestrator.replay import undone

BEGINS_ROUND = (StepReopened, Branched, PlanApproved, Resumed)


class Take(NamedTuple):
    """How a step is to be drawn: as planned, or as its caller wants it again. `first` is the first attempt's number,
    `most` how many there may be."""

    step: Step
    prompt: str | None
    seed: int
    first: int
    most: int


class Ground(NamedTuple):
    """What stands when a round begins: the steps so far, and how many drawings the run has had.

    `wished_only`: the round draws the reopened steps and leaves others as they are, also those never finished.
    """

    steps: Mapping[int, DocumentStep] = {}
    draws: int = 0
    wished_only: bool = False

    def take(self, step: Step, request: InterleaveRequest) -> Take | None:
        """How to draw the step in this round; None for one that is passed by."""
        entry = self.steps.get(step.index)
        if entry and (wish := entry.reopened):
            seed = request.seed if wish.seed is None else wish.seed
            return Take(step, entry.asked or step.prompt, seed, wish.first, wish.max_attempts or request.max_attempts)
        if self.wished_only or (entry and entry.finished):
            return None
        return Take(step, step.prompt, request.seed, 1, request.max_attempts)

    def image(self, step: Step) -> ImageRef | None:
        """The picture of the step that stands."""
        entry = self.steps.get(step.index)
        return entry.image if entry else None


class Round(NamedTuple):
    """The round that a run is in. `past`: what its loop has recorded, in the loop's order, the plan first. `request`:
    the run's, with the budget that holds now. `problem`: what ended the round before, if that ended badly."""

    request: InterleaveRequest
    ground: Ground
    past: Sequence[Event]
    approved: bool
    problem: Problem | None = None


def round_of(recorded: Sequence[Recorded]) -> Round:
    """The last round in a run's events."""
    gone = undone([each.event for each in recorded])
    recorded = [each for place, each in enumerate(recorded) if place not in gone]
    events = [each.event for each in recorded]
    begins = max((place for place, event in enumerate(events) if isinstance(event, BEGINS_ROUND)), default=0)
    before = fold(recorded[: begins + 1])
    steps = {entry.step.index: entry for entry in before.steps} if begins else {}
    wished_only = isinstance(events[begins], StepReopened)
    # Attempts at a step that an earlier round left open belong to this one, where it works on that step.
    left_open = [
        event
        for event in events[:begins]
        if isinstance(event, Drawn | Judged) and _goes_on(steps[event.step], event.number, wished_only)
    ]
    own = [event for event in events[begins:] if isinstance(event, Drawn | Judged | StepFinished)]
    return Round(
        request=before.request,
        ground=Ground(
            steps,
            draws=draws_of(events[: begins + 1]) - draws_of(left_open),
            wished_only=wished_only,
        ),
        past=[*planning_of(events), *sorted([*left_open, *own], key=lambda event: event.step)],
        approved=any(isinstance(event, PlanApproved | Branched) for event in events),
        problem=next((event.problem for event in reversed(events) if isinstance(event, Finished)), None),
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
    """The plan that holds, as the planner would have told it."""
    told: list[StepPlanned | Planned] = []
    for event in events:
        match event:
            case StepPlanned() | Planned():
                told.append(event)
            case PlanEdited(plan=plan):
                told = [*(StepPlanned(step=step) for step in plan.steps), Planned(plan=plan)]
    return told
