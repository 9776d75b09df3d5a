"""Events: each type is read back as itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest
from pydantic import ValidationError

from interleavethinker.events import (
    EVENT,
    Arranged,
    AttemptKept,
    Branched,
    Created,
    Drawn,
    Event,
    Finished,
    Judged,
    Pinned,
    PlanApproved,
    PlanAwaited,
    PlanEdited,
    Planned,
    Problem,
    Recorded,
    Resumed,
    Screened,
    Started,
    Status,
    StepEdited,
    StepFinished,
    StepInserted,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import (
    Brief,
    Budget,
    Drawing,
    ImageJob,
    ImageRef,
    InterleaveRequest,
    Outcome,
    Plan,
    Screening,
    Step,
    Verdict,
)

STEP = Step(index=1, name="sky", prompt="a blue sky")
JOB = ImageJob(prompt="a blue sky", seed=3)
IMAGE = ImageRef(digest="a" * 64, width=8, height=8)
EVENTS: list[Event] = [
    Created(request=InterleaveRequest(brief=Brief(prompt="draw"))),
    Started(),
    StepPlanned(step=STEP),
    Planned(plan=Plan(steps=(STEP,)), raw=("junk", "good"), seconds=1.5),
    Screened(screening=Screening(subject="image", job_id=JOB.id, allowed=False, reason="a cat", filter="words@1")),
    Drawn(step=1, number=1, job=JOB, drawing=Drawing(job_id=JOB.id, image=IMAGE, model="m@1", draw_seconds=0.2)),
    Judged(step=1, number=1, verdict=Verdict(outcome=Outcome.REVISE, refined_prompt="bluer", confidence=0.75)),
    StepFinished(step=1, kept=1, accepted=False),
    PlanAwaited(),
    PlanEdited(plan=Plan(steps=(STEP,))),
    PlanApproved(),
    StepReopened(step=1, prompt="a red sky", seed=4, max_attempts=2, budget=Budget(max_draws=9)),
    StepEdited(step=STEP),
    StepInserted(step=Step(index=2, auxiliary_text="Well done."), after=0),
    Arranged(order=(2, 1)),
    Pinned(references=(IMAGE,)),
    AttemptKept(step=1, number=1, accepted=True),
    Branched(run_id="run_1", from_step=2),
    Resumed(budget=Budget(max_draws=3)),
    Finished(status=Status.FAILED, problem=Problem(code="unavailable", detail="gone", retryable=True)),
]


def test_there_is_an_example_of_every_event():
    assert {type(event) for event in EVENTS} == set(get_args(get_args(Event)[0]))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_is_read_back_as_itself(event: Event):
    assert EVENT.validate_json(EVENT.dump_json(event)) == event
    recorded = Recorded(run_id="r", seq=1, at=datetime(2026, 1, 2, tzinfo=UTC), event=event)
    assert Recorded.model_validate_json(recorded.model_dump_json()) == recorded


def test_an_unknown_event_is_refused():
    with pytest.raises(ValidationError, match="type"):
        EVENT.validate_python({"type": "exploded"})


def test_only_ends_are_final():
    assert [status for status in Status if not status.final] == [Status.QUEUED, Status.PROCESSING, Status.WAITING]
