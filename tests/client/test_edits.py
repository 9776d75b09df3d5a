"""What a caller may do with a finished document: texts, order, insertions, pins, sharing, search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from interleavethinker.errors import Conflict
from tests import doors
from tests.client import either
from tests.newcomer.orchestra import PROMPT, orchestra


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with orchestra(tmp_path) as url, either.client(request.param, url) as client:
        yield client


def test_a_document_is_edited_and_arranged(client: Any):
    document = client.interleave(PROMPT).wait()
    document = document.steps[0].edit(name="The ball", instruction=None)
    assert document.steps[0].name == "The ball"
    assert document.steps[0].value.step.instruction is None
    document = document.insert(1, name="scarf", prompt="a red scarf", later="redraw").wait()
    assert [step.index for step in document.steps] == [1, 4, 2, 3]
    assert [step.number for step in document.steps] == [1, 2, 3, 4]
    assert document.step(2).value.attempt.prompt == "a red scarf"
    document = document.arrange([2, 1, 4, 3])
    assert [(step.number, step.index) for step in document.steps] == [(1, 2), (2, 1), (3, 4), (4, 3)]
    document = document.step(3).delete()
    assert [step.index for step in document.steps] == [2, 1, 3]
    assert document.step(2).redraw().wait().step(2).index == 1, "a step is found by what readers see"


def test_pictures_are_pinned_and_a_step_may_have_its_own(client: Any):
    document = client.interleave(PROMPT).wait()
    first = document.steps[0].image
    document = document.pin([first])
    assert [image.digest for image in document.value.request.references] == [first.digest]
    document = document.steps[1].redraw(references=[doors.picture()]).wait()
    assert len(document.steps[1].value.attempt.references) == 2
    assert document.pin([]).value.request.references == ()


def test_a_document_is_shared_until_it_is_not(client: Any):
    document = client.interleave(PROMPT).wait()
    shared = document.share(expires_in=3600)
    assert shared.expires_at is not None
    bearer = {"Authorization": f"Share {shared.token}"}
    assert httpx2.get(f"{client.url}/share", headers=bearer).json()["id"] == document.id
    client.unshare(document.id)
    assert httpx2.get(f"{client.url}/share", headers=bearer).status_code == 401


def test_runs_are_searched(client: Any):
    client.ask("how to build a house")
    wanted = client.ask("how to build a Snowman")
    assert [run.id for run in client.runs(search="snowMAN")] == [wanted]


def test_the_last_step_cannot_be_taken_out(client: Any):
    document = client.interleave(PROMPT, max_steps=1).wait()
    with pytest.raises(Conflict):
        document.steps[0].delete()
