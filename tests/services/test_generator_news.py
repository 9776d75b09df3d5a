"""The news of an ending holds the whole status; what does not is no ending, and the record is read."""

from __future__ import annotations

import json

import pytest

from interleavethinker.jobs import JobState
from services.generator_service.jobs import _told

JOB = "a" * 64
DRAWING = {
    "job_id": JOB,
    "image": {"digest": "b" * 64, "media_type": "image/png", "width": 64, "height": 64},
    "model": "model@1",
    "queue_seconds": 0.5,
    "draw_seconds": 1.5,
    "worker": "one two",
}


def test_a_drawing_is_read_from_its_news():
    status = _told(JOB, {"data": f"done 8 8 {json.dumps(DRAWING)}"})
    assert status and status.state is JobState.DONE and status.job_id == JOB
    assert status.progress.step == status.progress.of == 8
    assert status.drawing and status.drawing.worker == "one two" and status.problem is None


def test_a_failure_and_a_cancellation_are_read_too():
    failed = _told(JOB, {"data": 'failed 3 8 {"code": "draw_failed", "detail": "out of memory"}'})
    assert failed and failed.problem and failed.problem.detail == "out of memory" and failed.drawing is None
    canceled = _told(JOB, {"data": "canceled 0 0 "})
    assert canceled and canceled.state is JobState.CANCELED and canceled.problem is None


@pytest.mark.parametrize("message", [None, {"data": "done"}, {"data": "drawing"}])
def test_other_news_say_nothing(message: dict[str, str] | None):
    assert _told(JOB, message) is None
