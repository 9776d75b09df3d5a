"""The document is a fold of events: total on every prefix, and named by its content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from interleavethinker.document import Document, fold
from interleavethinker.events import (
    Created,
    Drawn,
    Event,
    Finished,
    Judged,
    Planned,
    Problem,
    Recorded,
    Started,
    Status,
    StepFinished,
    StepPlanned,
)
from interleavethinker.types import (
    Brief,
    Drawing,
    ImageJob,
    ImageRef,
    InterleaveRequest,
    Outcome,
    Plan,
    Step,
    Verdict,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = (Step(index=4, instruction="a hill", prompt="a hill"), Step(index=5, auxiliary_text="The end."))
GIVEN = ImageRef(digest="f" * 64, width=16, height=16)
REFUSED = Verdict(outcome=Outcome.REVISE, refined_prompt="a green hill", confidence=0.8)
ACCEPTED = Verdict(outcome=Outcome.ACCEPT, confidence=0.9)


def drawn(number: int, prompt: str, digit: str) -> Drawn:
    job = ImageJob(prompt=prompt, seed=number)
    image = ImageRef(digest=digit * 64, width=16, height=16)
    return Drawn(
        step=4, number=number, job=job, drawing=Drawing(job_id=job.id, image=image, model="m@1", draw_seconds=2.0)
    )


EVENTS: list[Event] = [
    Created(request=InterleaveRequest(brief=Brief(prompt="a walk", images=(GIVEN,)))),
    Started(),
    StepPlanned(step=STEPS[0]),
    drawn(1, "a hill", "a"),
    StepPlanned(step=STEPS[1]),
    Judged(step=4, number=1, verdict=REFUSED, seconds=0.5),
    Planned(plan=Plan(steps=STEPS, reasoning="first the hill"), seconds=3.0),
    Started(),
    drawn(2, "a green hill", "b"),
    Judged(step=4, number=2, verdict=ACCEPTED, seconds=0.5),
    StepFinished(step=4, kept=2, accepted=True),
    StepFinished(step=5),
    Finished(status=Status.SUCCEEDED),
]


def after(events: list[Event], *, run_id: str = "run_1", pace: float = 1.0) -> Document:
    return fold(
        Recorded(run_id=run_id, seq=seq, at=NOW + timedelta(seconds=seq * pace), event=event)
        for seq, event in enumerate(events, 1)
    )


def test_a_whole_run():
    document = after(EVENTS)
    hill, end = document.steps
    assert (document.status, document.reasoning, document.plan_seconds) == (Status.SUCCEEDED, "first the hill", 3.0)
    assert (document.created_at, document.finished_at) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=13))
    assert [(a.number, a.prompt, a.verdict, a.judge_seconds) for a in hill.attempts] == [
        (1, "a hill", REFUSED, 0.5),
        (2, "a green hill", ACCEPTED, 0.5),
    ]
    assert hill.image and hill.image.digest == "b" * 64
    assert (end.step.text, end.finished, end.image, end.accepted) == ("The end.", True, None, None)
    assert set(document.images) == {"f" * 64, "a" * 64, "b" * 64}


@pytest.mark.parametrize("length", range(1, len(EVENTS) + 1))
def test_every_prefix_is_a_document(length: int):
    document = after(EVENTS[:length])
    assert Document.model_validate_json(document.model_dump_json()) == document
    assert document.status.final == (length == len(EVENTS))


def test_statuses_on_the_way():
    assert [after(EVENTS[:length]).status for length in (1, 2, len(EVENTS))] == ["queued", "processing", "succeeded"]


def test_how_it_ended_badly_is_told():
    problem = Problem(code="draw_failed", detail="no picture")
    document = after([*EVENTS[:4], Finished(status=Status.FAILED, problem=problem)])
    assert (document.status, document.problem) == (Status.FAILED, problem)
    assert not document.steps[0].finished and document.steps[0].image is None


def test_the_digest_is_of_the_content_only():
    reordered = [event for event in EVENTS if not isinstance(event, Planned | Started)]
    assert after(EVENTS).digest == after(EVENTS, run_id="run_2", pace=9.0).digest == after(reordered).digest


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (2, StepPlanned(step=STEPS[0].model_copy(update={"instruction": "a mountain"}))),
        (5, Judged(step=4, number=1, verdict=REFUSED.model_copy(update={"confidence": 0.7}))),
        (8, drawn(2, "a green hill", "c")),
        (8, drawn(2, "another prompt", "b")),
        (10, StepFinished(step=4, kept=1, accepted=False)),
    ],
    ids=["text", "verdict", "picture", "prompt", "kept"],
)
def test_other_content_is_another_digest(place: int, other: Event):
    assert after([*EVENTS[:place], other, *EVENTS[place + 1 :]]).digest != after(EVENTS).digest


def test_what_does_not_begin_is_no_run():
    with pytest.raises(ValueError, match="created"):
        after(EVENTS[1:])
    with pytest.raises(ValueError):
        fold([])
