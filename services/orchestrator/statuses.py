"""Which status an event brings about, and in which ones a caller's wish is taken. Only these rules."""

from __future__ import annotations

from interleavethinker.events import (
    Arranged,
    AttemptKept,
    Event,
    Finished,
    Pinned,
    PlanApproved,
    PlanAwaited,
    PlanEdited,
    Resumed,
    Started,
    Status,
    StepEdited,
    StepInserted,
    StepReopened,
)

FINAL = frozenset(status for status in Status if status.final)


def status_after(event: Event) -> Status | None:
    """The status an event brings about; None leaves it as it is."""
    match event:
        case Started():
            return Status.PROCESSING
        case PlanAwaited():
            return Status.WAITING
        case PlanApproved() | StepReopened() | Resumed():
            return Status.QUEUED
        case Finished(status=status):
            return status
    return None


def taken_in(wish: Event) -> frozenset[Status]:
    """The statuses in which a run takes this wish of its caller."""
    match wish:
        case PlanEdited() | PlanApproved():
            return frozenset({Status.WAITING})
        case StepReopened() | AttemptKept() | StepInserted() | Arranged():
            return FINAL
        case StepEdited() | Pinned():
            return FINAL | {Status.WAITING}
        case Resumed():
            return frozenset({Status.PARTIAL, Status.FAILED})
    return frozenset()


def not_now(run_id: str, wish: Event, status: str) -> str:
    """Why the wish is not taken, and what to do."""
    match wish:
        case PlanEdited() | PlanApproved():
            return f"run {run_id} is {status} and waits for nobody's word on its plan; ask with `review_plan: true`"
        case Resumed() if Status(status).final:
            return f"run {run_id} has finished ({status}); only a run that was cut short is resumed"
        case Resumed():
            return f"run {run_id} has not finished ({status}); only a run that was cut short is resumed"
        case _:
            return f"run {run_id} is {status}: wait for its end, or cancel it first"
