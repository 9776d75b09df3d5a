"""The table of a run under way, event by event."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console

from interleavethinker.cli.board import Board
from interleavethinker.document import fold
from interleavethinker.events import (
    Created,
    Drawn,
    Event,
    Finished,
    Judged,
    Planned,
    Recorded,
    Started,
    Status,
    StepFinished,
    StepPlanned,
)
from interleavethinker.types import Brief, Drawing, ImageJob, ImageRef, InterleaveRequest, Plan
from tests.fakes import ACCEPT, revise, steps_of

STEPS = steps_of("a ball", "a [red] hat", None)


def drawn(step: int, number: int, prompt: str) -> Drawn:
    job = ImageJob(prompt=prompt, seed=number)
    image = ImageRef(digest=job.id, width=8, height=8)
    return Drawn(step=step, number=number, job=job, drawing=Drawing(job_id=job.id, image=image))


EVENTS: list[Event] = [
    Created(request=InterleaveRequest(brief=Brief(prompt="how?"))),
    Started(),
    StepPlanned(step=STEPS[0]),
    StepPlanned(step=STEPS[1]),
    StepPlanned(step=STEPS[2]),
    Planned(plan=Plan(steps=STEPS), model="planner@1"),
    drawn(1, 1, "a ball"),
    Judged(step=1, number=1, verdict=ACCEPT),
    StepFinished(step=1, kept=1, accepted=True),
    drawn(2, 1, "a [red] hat"),
    Judged(step=2, number=1, verdict=revise("a [red] hat at b2")),
    drawn(2, 2, "a [red] hat at b2"),
    Judged(step=2, number=2, verdict=revise("a hat")),
    StepFinished(step=2, kept=2, accepted=False),
    StepFinished(step=3),
    Finished(status=Status.SUCCEEDED),
]


def seen(count: int, **told: object) -> str:
    """The table after so many events."""
    board, console = Board("run_1"), Console(file=io.StringIO(), width=100)
    recorded = [
        Recorded(run_id="run_1", seq=number, at=datetime.now(UTC), event=event)
        for number, event in enumerate(EVENTS[:count], 1)
    ]
    for number in range(1, count + 1):
        board.see(fold(recorded[:number]), recorded[number - 1].event)
    board.told = told
    console.print(board)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_plan_grows_and_the_first_open_step_is_at_work():
    assert "0/? steps" in seen(4)
    assert "0/3 steps" in seen(6)
    assert [line.split()[-1] for line in seen(6).splitlines() if line.startswith(("1", "2", "3"))] == [
        "drawing", "waiting", "waiting",
    ]  # fmt: skip
    assert "drawing 75 %" in seen(6, done=3, of=4)
    assert "drawing, 2 before it" in seen(6, waiting={"what": "worker", "ahead": 2, "starts_in_seconds": None})


def test_attempts_and_verdicts_are_told():
    assert "judging attempt 1" in seen(7)
    text = seen(11)
    assert "accepted, 95% sure" in text
    assert "drawing attempt 2" in text
    assert "not right" in text
    assert "a [red] hat at b2" in text, "the critic's words, as they are"
    assert "about" in text
    assert "about 42 s left" in seen(11, run={"remaining_estimate": 42.0})


def test_at_the_end_the_table_stands():
    text = seen(len(EVENTS))
    for words in ("✓ accepted, 95% sure", "! not accepted; the best of 2", "✓ in words", "succeeded", "3/3 steps"):
        assert words in text
    assert "left" not in text
