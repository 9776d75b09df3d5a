"""What happens in a run, in order. A run IS its events: the document is a fold of them, and resume replays them.

Events carry no sequence number or time of their own; the journal adds both (`Recorded`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from interleavethinker.types import (
    Budget,
    Drawing,
    ImageJob,
    ImageRef,
    InterleaveRequest,
    Plan,
    Screening,
    Step,
    Value,
    Verdict,
)


class Status(StrEnum):
    """A run's status. `partial`: cut short, its finished steps stand. `waiting`: for its caller's word on the plan."""

    QUEUED = "queued"
    PROCESSING = "processing"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        return self not in (Status.QUEUED, Status.PROCESSING, Status.WAITING)


class Problem(Value):
    """Why a run ended badly; the fields of problem+json that a reader needs."""

    code: str
    detail: str
    retryable: bool = False
    raw: str | None = Field(default=None, description="the model's unreadable answer, where there was one")


class Created(Value):
    """The run was asked for. Always the first event."""

    type: Literal["created"] = "created"
    request: InterleaveRequest
    door: dict[str, JsonValue] | None = Field(
        default=None, description="what the door that the request came through gives back of it; no part of it"
    )


class Started(Value):
    """An orchestrator works on the run; comes again whenever another one, or the same one again, takes it up."""

    type: Literal["started"] = "started"


class StepPlanned(Value):
    """A step's object closed in the planner's stream."""

    type: Literal["step_planned"] = "step_planned"
    step: Step


class Planned(Value):
    """The plan is whole. `raw` holds every raw answer of the planner, failed re-asks included, the last one read."""

    type: Literal["planned"] = "planned"
    plan: Plan
    raw: tuple[str, ...] = ()
    seconds: float = 0.0
    model: str = Field(default="", description="planner as name@revision")
    pack: str = Field(default="", description="digest of the prompt pack that it was asked with")


class Drawn(Value):
    """An attempt was drawn. `number` counts from 1 within the step."""

    type: Literal["drawn"] = "drawn"
    step: int
    number: int = Field(ge=1)
    job: ImageJob
    drawing: Drawing


class Judged(Value):
    """The critic's verdict on an attempt. `raw` as in `Planned`."""

    type: Literal["judged"] = "judged"
    step: int
    number: int = Field(ge=1)
    verdict: Verdict
    raw: tuple[str, ...] = ()
    seconds: float = 0.0
    model: str = Field(default="", description="critic as name@revision")
    pack: str = Field(default="", description="digest of the prompt pack that it was asked with")


class Screened(Value):
    """The content filter looked at something. Comes only where there is a filter."""

    type: Literal["screened"] = "screened"
    screening: Screening


class StepFinished(Value):
    """The step's picture is settled. `kept` is the attempt's number, None for a step that draws nothing.

    `accepted` is False when the attempts were spent and the best one was kept, None when nobody judged it.
    """

    type: Literal["step_finished"] = "step_finished"
    step: int
    kept: int | None = None
    accepted: bool | None = None


class PlanAwaited(Value):
    """The plan is whole and its caller wants to see it before anything is drawn: the run waits, and holds no place."""

    type: Literal["plan_awaited"] = "plan_awaited"


class PlanEdited(Value):
    """The caller put another plan in the place of the planner's; nothing had been drawn of the steps that changed."""

    type: Literal["plan_edited"] = "plan_edited"
    plan: Plan


class PlanApproved(Value):
    """The caller let the waiting run go on."""

    type: Literal["plan_approved"] = "plan_approved"


class StepReopened(Value):
    """The caller wants a step drawn again: a finished run goes on. Earlier attempts remain, the picture that stood
    stands until another one is settled, and attempts are numbered on. What is None is as the plan and the request have
    it."""

    type: Literal["step_reopened"] = "step_reopened"
    step: int
    prompt: str | None = None
    seed: int | None = None
    max_attempts: int | None = None
    budget: Budget | None = Field(default=None, description="the run's from here on")
    references: tuple[ImageRef, ...] | None = Field(default=None, description="this step's from here on")


class StepEdited(Value):
    """The caller wrote other texts for a step: `step` is all of it as it is from here on. Nothing is drawn."""

    type: Literal["step_edited"] = "step_edited"
    step: Step


class StepInserted(Value):
    """The caller put a new step after the one with the index `after`; 0: before all others. Its own index is one above
    the highest that there ever was. With a prompt, a `StepReopened` follows."""

    type: Literal["step_inserted"] = "step_inserted"
    step: Step
    after: int = Field(ge=0)


class Arranged(Value):
    """The order in which the steps are shown, by index. One that is left out is deleted: it can be put back."""

    type: Literal["arranged"] = "arranged"
    order: tuple[int, ...] = Field(min_length=1)


class Pinned(Value):
    """The pictures that every drawing from here on is given, in the place of the request's `references`."""

    type: Literal["pinned"] = "pinned"
    references: tuple[ImageRef, ...]


class AttemptKept(Value):
    """The caller chose which attempt at a finished step stands. `accepted` as the critic saw that attempt."""

    type: Literal["attempt_kept"] = "attempt_kept"
    step: int
    number: int = Field(ge=1)
    accepted: bool | None = None


class Branched(Value):
    """What stands before this event was recorded in another run, and is shared with it; this run's own work follows."""

    type: Literal["branched"] = "branched"
    run_id: str
    from_step: int


class Finished(Value):
    """The run is at its end; only a wish of its caller (a step reopened or edited, an attempt kept, resuming
    and the like) comes after it."""

    type: Literal["finished"] = "finished"
    status: Status
    problem: Problem | None = None


class Resumed(Value):
    """The user wants a run that ended `partial` or `failed` to go on from what stands. Follows a `Finished`; the run is
    queued again. `budget`, where given, is the request's from here on; its seconds count anew in any case."""

    type: Literal["resumed"] = "resumed"
    budget: Budget | None = None


Event = Annotated[
    Created
    | Started
    | StepPlanned
    | Planned
    | PlanAwaited
    | PlanEdited
    | PlanApproved
    | Screened
    | Drawn
    | Judged
    | StepFinished
    | StepReopened
    | StepEdited
    | StepInserted
    | Arranged
    | Pinned
    | AttemptKept
    | Branched
    | Finished
    | Resumed,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
"""Reads any event from JSON: `EVENT.validate_json(text)`."""


class Recorded(Value):
    """An event as the journal holds it: `seq` counts from 1 without gaps within the run; `at` is UTC."""

    run_id: str
    seq: int = Field(ge=1)
    at: datetime
    event: Event
