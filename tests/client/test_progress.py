"""How a drawing comes along, as either client hears it from a real orchestrator whose generator takes its time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from PIL import Image
from pydantic import BaseModel

from interleavethinker.client import answers
from interleavethinker.errors import NotFound
from services.orchestrator import following
from services.orchestrator.following import ProgressEvent
from services.orchestrator.pace import RunProgress
from tests.client import either
from tests.newcomer.orchestra import PROMPT, orchestra

STEPS = 8


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with orchestra(tmp_path, step_seconds=0.1) as url, either.client(request.param, url) as client:
        yield client


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (answers.Progress, ProgressEvent),
        (answers.Waited, following.Waited),
        (answers.RunProgress, RunProgress),
    ],
)
def test_the_clients_progress_has_the_fields_that_the_service_sends(typed: type, sent: type[BaseModel]):
    assert set(get_type_hints(typed)) == set(sent.model_fields)


def test_a_drawing_is_followed_step_by_step(client: Any):
    told: list[dict[str, Any]] = []
    before: dict[tuple[int, int], int] = {}

    def hear(progress: Any) -> None:
        ProgressEvent.model_validate(progress, strict=True)
        told.append(progress)

    run = client.interleave(PROMPT, params={"num_inference_steps": STEPS})
    for recorded in run.events(progress=hear):
        if recorded.event.type == "drawn":
            before[recorded.event.step, recorded.event.number] = len(told)
    drawings = [each for each in told if each["step"]]
    assert {(each["step"], each["number"]) for each in drawings} == {(1, 1), (2, 1), (2, 2)}
    assert run.progress == told[-1]
    for key, end in before.items():
        heard = [at for at, each in enumerate(told) if (each["step"], each["number"]) == key]
        assert max(heard) < end, "nothing is told of what is drawn already"
        shares = [told[at]["done"] for at in heard]
        assert shares == sorted(set(shares)), "each word says something new"
        assert all(0 < told[at]["done"] <= STEPS == told[at]["of"] for at in heard)
    last = drawings[-1]
    assert last["run"]["draws"] == 2
    assert last["run"]["steps_planned"] == 3
    assert last["run"]["remaining_estimate"] is not None
    assert f"{client.url}/interleave/{run.id}/steps/2/attempts/2/preview" in last["preview"]


def test_the_preview_of_what_is_drawn_is_there_while_it_is_drawn(client: Any):
    shown: list[bytes] = []
    run = client.interleave(PROMPT, params={"num_inference_steps": STEPS}, max_steps=1)
    while not shown:
        document = run.document()
        assert not document.status.final, "it was drawn, and no preview was seen"
        try:
            shown.append(run.preview(1, 1))
        except NotFound:
            continue
    with Image.open(io.BytesIO(shown[0])) as picture:
        assert picture.format == "JPEG"
    run.wait()
    with pytest.raises(NotFound):
        client.preview(run.id, 1, 2)
