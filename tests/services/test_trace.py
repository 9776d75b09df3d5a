"""Where the time went and how far a run is, read off events with known times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from interleavethinker.events import (
    EVENT,
    Branched,
    Created,
    Drawn,
    Event,
    Finished,
    Judged,
    PlanApproved,
    PlanAwaited,
    Planned,
    Problem,
    Recorded,
    Resumed,
    Started,
    Status,
    StepFinished,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import Brief, Budget, Drawing, ImageJob, ImageRef, InterleaveRequest, Plan
from services.orchestrator.pace import Pace
from services.orchestrator.spans import Span
from services.orchestrator.trace import trace
from tests.fakes import ACCEPT, revise, steps_of

NOW = datetime.now(UTC)
STEPS = steps_of("a hill", "a tree")
REQUEST = InterleaveRequest(brief=Brief(prompt="a story"), budget=Budget(max_draws=9))
CREATED, STARTED = Created(request=REQUEST), Started()
PLANNED = Planned(plan=Plan(steps=STEPS), raw=("the plan",), seconds=2, model="planner@1", pack="ab")
IMAGE = ImageRef(digest="a" * 64, width=64, height=64)


def drawn(step: int, number: int = 1, *, queue: float = 0.0, draw: float = 1.0) -> Drawn:
    job = ImageJob(prompt=f"step {step}", seed=number)
    drawing = Drawing(
        job_id=job.id, image=IMAGE, model="generator@1", queue_seconds=queue, draw_seconds=draw, worker="w-1"
    )
    return Drawn(step=step, number=number, job=job, drawing=drawing)


def judged(step: int, number: int = 1, *, seconds: float = 1.0, accepts: bool = True) -> Judged:
    verdict = ACCEPT if accepts else revise("another")
    return Judged(step=step, number=number, verdict=verdict, raw=("v",), seconds=seconds, model="critic@1", pack="cd")


def told(*said: tuple[float, Event]) -> list[Recorded]:
    """Events at so many seconds, the last of them a moment ago."""
    began = NOW - timedelta(seconds=said[-1][0])
    return [
        Recorded(run_id="run_1", seq=seq, at=began + timedelta(seconds=at), event=event)
        for seq, (at, event) in enumerate(said, 1)
    ]


def brief(spans: Sequence[Span]) -> list[tuple]:
    return [(span.phase, span.step, span.start, span.end) for span in spans]


PLANNING = [(0, CREATED), (1, STARTED), (2, StepPlanned(step=STEPS[0])), (3, StepPlanned(step=STEPS[1])), (3, PLANNED)]
ONE_STEP = [
    *PLANNING,
    (5, drawn(1, queue=0.5, draw=2)),
    (6, judged(1, accepts=False)),
    (10, drawn(1, 2, queue=1, draw=2)),
    (11, judged(1, 2)),
    (11, StepFinished(step=1, kept=2, accepted=True)),
]


def test_each_phase_has_its_place():
    found = trace(told(*ONE_STEP))
    assert brief(found.spans) == [
        ("wait", None, 0, 1),  # for its turn
        ("plan", None, 1, 3),
        ("wait", 1, 2, 2.5),
        ("queue", 1, 2.5, 3),
        ("draw", 1, 3, 5),
        ("judge", 1, 5, 6),
        ("wait", 1, 6, 7),  # a second that neither queue nor drawing accounts for
        ("queue", 1, 7, 8),
        ("draw", 1, 8, 10),
        ("judge", 1, 10, 11),
    ]
    assert found.totals == {"wait": 2.5, "plan": 2.0, "queue": 1.5, "draw": 4.0, "judge": 2.0}
    assert [span.accepted for span in found.spans if span.phase == "judge"] == [False, True]
    assert {(span.model, span.worker) for span in found.spans if span.phase == "draw"} == {("generator@1", "w-1")}
    assert (found.elapsed, found.status) == (11, Status.PROCESSING)


def test_everything_to_make_it_again_is_there():
    found = trace(told(*ONE_STEP)).settings
    assert found.models == {"planner": ["planner@1"], "generator": ["generator@1"], "critic": ["critic@1"]}
    assert found.packs == {"planner": ["ab"], "critic": ["cd"]}
    assert [(each.step, each.number, each.prompt, each.seed) for each in found.attempts] == [
        (1, 1, "step 1", 1),
        (1, 2, "step 1", 2),
    ]
    assert found.request == REQUEST


def test_what_was_drawn_ahead_takes_no_time_here():
    spans = trace(told(*PLANNING, (3.1, drawn(1, draw=30)))).spans
    assert [(span.start, span.end, span.ahead) for span in spans if span.phase == "draw"] == [(3.1, 3.1, True)]


def test_waiting_is_for_the_caller_or_for_another_replica_but_not_rest():
    events = [
        *PLANNING,
        (3, PlanAwaited()),
        (60, PlanApproved()),
        (61, STARTED),
        (62, drawn(1)),
        (70, STARTED),  # its replica was lost
        (71, judged(1)),
        (71, StepFinished(step=1, kept=1, accepted=True)),
        (72, Finished(status=Status.PARTIAL, problem=Problem(code="budget_spent", detail="spent"))),
        (500, Resumed()),
        (502, STARTED),
    ]
    waits = [(span.start, span.end) for span in trace(told(*events)).spans if span.phase == "wait"]
    assert waits == [(0, 1), (3, 60), (60, 61), (62, 70), (500, 502)]


def test_what_a_branch_shares_took_no_time():
    events = [
        *((0, event) for _, event in ONE_STEP),
        (0, Branched(run_id="run_0", from_step=2)),
        (1, STARTED),
        (3, drawn(2)),
    ]
    found = trace(told(*events))
    assert [span.step for span in found.spans if span.phase == "draw"] == [2]
    assert [answer.phase for answer in found.answers] == ["plan", "judge", "judge"], "what was said is still there"


@pytest.mark.parametrize("count", range(1, len(ONE_STEP) + 1))
def test_any_beginning_of_a_run_has_a_trace_and_a_pace(count: int):
    events = told(*ONE_STEP[:count])
    found = trace(events)
    assert all(0 <= span.start <= span.end <= found.elapsed for span in found.spans)
    pace_of(events).progress(NOW)


def test_events_of_older_versions_are_read():
    """They name no worker and no pack."""
    old = EVENT.validate_json(
        '{"type":"drawn","step":1,"number":1,"job":{"prompt":"a hill","references":[],"seed":1,"size":null,'
        '"params":{"num_inference_steps":null,"guidance_scale":null}},"drawing":{"job_id":"' + "b" * 64 + '","image":'
        '{"digest":"' + "a" * 64 + '","media_type":"image/png","width":64,"height":64},"model":"g@1",'
        '"queue_seconds":0.5,"draw_seconds":1.5}}'
    )
    planned = EVENT.validate_python(PLANNED.model_dump(exclude={"pack"}))
    found = trace(told(*PLANNING[:-1], (3, planned), (6, old)))
    assert found.settings.packs == {"planner": [], "critic": []}
    assert [(span.phase, span.worker) for span in found.spans if span.step] == [
        ("wait", None), ("queue", None), ("draw", None),
    ]  # fmt: skip


def pace_of(events: Sequence[Recorded]) -> Pace:
    pace = Pace()
    for recorded in events:
        pace.observe(recorded)
    return pace


def test_the_estimate_goes_by_what_the_steps_took():
    """Step 1 took two attempts, 3 + 1 and 4 + 1 seconds; step 2 will need as many."""
    now = pace_of(told(*ONE_STEP)).progress(NOW)
    assert (now.steps_finished, now.steps_planned, now.draws, now.max_draws) == (1, 2, 2, 9)
    assert now.elapsed == pytest.approx(10, abs=1)
    assert now.remaining_estimate == pytest.approx(9, abs=1)


@pytest.mark.parametrize("count", range(1, 6))
def test_nothing_is_estimated_before_something_is_known(count: int):
    assert pace_of(told(*PLANNING[:count])).progress(NOW).remaining_estimate is None


def test_limits_bound_the_estimate():
    spent = Created(request=REQUEST.model_copy(update={"budget": Budget(max_draws=2)}))
    assert pace_of(told((0, spent), *ONE_STEP[1:])).progress(NOW).remaining_estimate == 0
    short = Created(request=REQUEST.model_copy(update={"budget": Budget(max_seconds=12)}))
    assert pace_of(told((0, short), *ONE_STEP[1:])).progress(NOW).remaining_estimate <= 2


def test_a_step_that_is_reopened_is_open_again():
    events = [
        *ONE_STEP,
        (12, drawn(2)),
        (13, judged(2)),
        (13, StepFinished(step=2, kept=1, accepted=True)),
        (13, Finished(status=Status.SUCCEEDED)),
        (99, StepReopened(step=1, budget=Budget(max_draws=20))),
    ]
    waiting = pace_of(told(*events)).progress(NOW)
    assert (waiting.steps_finished, waiting.elapsed, waiting.max_draws) == (1, 0, 20)
    assert waiting.remaining_estimate is not None and waiting.remaining_estimate > 0
    again = pace_of(told(*events, (100, STARTED), (103, drawn(1, 3)))).progress(NOW)
    assert (again.draws, again.elapsed) == (4, pytest.approx(3, abs=1))
