"""What a follower sees between the events, and the previews: told while a step is drawn, never in the journal."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from interleavethinker.blobs import DirectoryBlobs, TenantBlobs
from interleavethinker.events import Recorded
from interleavethinker.http import SSE, read_sse
from services.orchestrator.access_settings import LinkSettings
from services.orchestrator.following import ProgressEvent
from tests.doors import SNOWMAN, called, key, opened, orchestrator
from tests.fakes import FakeGenerator, revise
from tests.services.test_access import SECRET
from tests.services.test_screening import Eyes

SLOW = SNOWMAN | {"params": {"num_inference_steps": 60}}
"""A step is drawn in more than half a second."""


async def told(client: httpx2.AsyncClient, path: str, **how: Any) -> list[SSE]:
    response = await client.get(path, **how)
    return [event async for event in read_sse(response.aiter_lines())]


def progress_of(events: list[SSE]) -> list[ProgressEvent]:
    return [ProgressEvent.model_validate_json(event.data) for event in events if event.event == "progress"]


async def begun(client: httpx2.AsyncClient, *, seed: int = 0, **how: Any) -> str:
    return str((await client.post("/interleave", json=SLOW | {"seed": seed}, **how)).json()["links"]["self"])


async def test_progress_comes_between_the_events_and_has_no_number(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", "a tree", verdicts=[revise("a green hill")]) as (_, client):
        run = await begun(client)
        events = await told(client, f"{run}/events")
        again = await told(client, f"{run}/events")
    assert [event.event for event in again if event.event == "progress"] == [], "nothing of it is kept"
    numbered = [event for event in events if event.event != "progress"]
    assert [(event.id, event.event, event.data) for event in numbered] == [tuple(event) for event in again]
    drawn, planned = set[tuple[int, int]](), set[int]()
    seen: dict[tuple[int, int], list[int]] = {}
    for place, event in enumerate(events):
        if event.event != "progress":
            happened = Recorded.model_validate_json(event.data).event
            drawn |= {(happened.step, happened.number)} if happened.type == "drawn" else set()
            planned |= {happened.step.index} if happened.type == "step_planned" else set()
            continue
        assert event.id == events[place - 1].id, "Last-Event-ID stays the last event's"
        said = ProgressEvent.model_validate_json(event.data)
        if said.step is None or said.number is None:
            continue
        assert said.step in planned and (said.step, said.number) not in drawn
        assert said.preview is None or said.preview.startswith(
            f"{run}/steps/{said.step}/attempts/{said.number}/preview?"
        )
        seen.setdefault((said.step, said.number), []).append(said.done)
    assert seen.keys() == {(1, 1), (1, 2), (2, 1)}
    assert all(done == sorted(done) and len(done) <= 6 for done in seen.values()), "60 steps, a few words"
    last = progress_of(events)[-1]
    assert (last.of, last.run.steps_planned, last.run.draws) == (60, 2, 2)
    assert last.run.remaining_estimate is not None and last.run.elapsed > 1


async def test_who_wants_none_gets_none(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill") as (_, client):
        run = await begun(client)
        assert progress_of(await told(client, f"{run}/events", params={"progress": "false"})) == []


async def test_a_reader_who_comes_back_is_told_on(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill") as (_, client):
        run = await begun(client)
        await asyncio.sleep(0.2)
        events = await told(client, f"{run}/events", headers={"Last-Event-ID": "4"})
    assert progress_of(events) and next(event for event in events if event.id).id == "5"
    assert progress_of(events)[0].step == 1


async def until_seen(client: httpx2.AsyncClient, path: str, **how: Any) -> httpx2.Response:
    for _ in range(1_000):
        if (response := await client.get(path, **how)).status_code != 404:
            break
        await asyncio.sleep(0.02)
    return response


async def test_a_preview_can_be_seen_while_it_is_drawn(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill") as (_, client):
        run = await begun(client)
        response = await until_seen(client, f"{run}/steps/1/attempts/1/preview")
        assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
        assert response.headers["cache-control"] == "private, no-store"
        assert Image.open(io.BytesIO(response.content)).size == (32, 32)
        for path in (f"{run}/steps/1/attempts/2/preview", f"{run}/steps/2/attempts/1/preview"):
            other = await client.get(path)
            assert (other.status_code, other.json()["code"]) == (404, "not_found")
        assert (await client.get("/interleave/run_no/steps/1/attempts/1/preview")).status_code == 404
        document = (await client.get(run)).json()
        assert document["progress"]["steps_planned"] == 1 and document["progress"]["elapsed"] > 0
        await told(client, f"{run}/events")
        assert (await client.get(run)).json()["progress"] is None


async def test_unfinished_pictures_are_not_shown_where_pictures_are_screened(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", content=Eyes()) as (_, client):
        run = await begun(client)
        seen = progress_of(await told(client, f"{run}/events"))
        assert max(each.done for each in seen) > 1 and {each.preview for each in seen} == {None}
        assert (await client.get(f"{run}/steps/1/attempts/1/preview")).status_code == 404


async def test_a_preview_is_its_tenants_and_opens_by_a_signed_link(tmp_path: Path, blobs: DirectoryBlobs):
    signed = {"auth": "keys", "links": LinkSettings(secret=SECRET)}
    async with opened(tmp_path, TenantBlobs(blobs), "a hill", **signed) as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        run = await begun(client, headers=ours)
        path = f"{run}/steps/1/attempts/1/preview"
        assert (await until_seen(client, path, headers=ours)).status_code == 200
        assert (await client.get(path, headers=theirs)).status_code == 404
        assert (await client.get(path)).status_code == 401
        assert (await client.get(f"{run}/trace", headers=theirs)).status_code == 404
        following = asyncio.create_task(told(client, f"{run}/events", headers=ours))
        events = await following
        link = next(each.preview for each in progress_of(events) if each.preview)
        assert (await client.get(link)).status_code == 200
        assert (await client.get(link.replace("attempts/1", "attempts/2"))).status_code == 401


async def test_who_waits_for_its_turn_is_told_its_place(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", runs_at_once=1) as (_, client):
        runs = [await begun(client, seed=seed) for seed in range(3)]
        first = progress_of(await told(client, f"{runs[2]}/events"))[0]
    assert first.step is None and first.waiting is not None
    assert (first.waiting.what, first.waiting.ahead) == ("turn", 1)
    assert first.run.elapsed == 0


async def test_other_replicas_tell_it_too(postgres_url: str, blobs: DirectoryBlobs):
    """Whichever of them works on the run."""
    generator = FakeGenerator(blobs)
    apps = [orchestrator(postgres_url, blobs, "a hill", "a tree", generator=generator) for _ in range(2)]
    async with called(apps[0]) as one, called(apps[1]) as other:
        run = await begun(one)
        path = f"{run}/steps/1/attempts/1/preview"
        streams = asyncio.gather(*(told(client, f"{run}/events") for client in (one, other)))
        seen = await asyncio.gather(*(until_seen(client, path) for client in (one, other)))
        assert [response.status_code for response in seen] == [200, 200]
        for events in await streams:
            attempts = {(each.step, each.number) for each in progress_of(events)}
            assert {(1, 1), (2, 1)} <= attempts


async def test_pictures_come_small(tmp_path: Path, blobs: DirectoryBlobs):
    asked = SNOWMAN | {"size": {"width": 640, "height": 320}}
    async with opened(tmp_path, blobs, "a hill") as (_, client):
        body = (await client.post("/interleave", json=asked, headers={"Prefer": "wait=60"})).json()
        digest = body["document"]["steps"][0]["attempts"][0]["image"]["digest"]
        url = body["images"][digest]
        small = await client.get(url, params={"width": 128})
        assert (small.headers["content-type"], small.headers["etag"]) == ("image/webp", f'"{digest}-128"')
        assert "immutable" in small.headers["cache-control"]
        assert Image.open(io.BytesIO(small.content)).size == (128, 64)
        assert (await client.get(url, params={"width": 128})).content == small.content
        unchanged = await client.get(url, params={"width": 128}, headers={"If-None-Match": small.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        for width in ("0", "65", "4096", "-64", "64.5", "x"):
            assert (await client.get(url, params={"width": width})).status_code == 422
        whole = await client.get(url)
        assert whole.headers["etag"] == f'"{digest}"' and whole.headers["content-type"] == "image/png"


@pytest.mark.parametrize("size", [(64, 64), (20, 10)])
async def test_a_narrow_picture_comes_as_it_is(tmp_path: Path, blobs: DirectoryBlobs, size: tuple[int, int]):
    asked = SNOWMAN | {"size": {"width": size[0], "height": max(16, size[1])}}
    async with opened(tmp_path, blobs, "a hill") as (_, client):
        body = (await client.post("/interleave", json=asked, headers={"Prefer": "wait=60"})).json()
        (url,) = body["images"].values()
        assert (await client.get(url, params={"width": 64})).content == (await client.get(url)).content


async def test_the_trace_is_served(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill") as (_, client):
        run = (await client.post("/interleave", json=SNOWMAN, headers={"Prefer": "wait=60"})).json()["links"]["self"]
        trace = (await client.get(f"{run}/trace")).json()
    assert {span["phase"] for span in trace["spans"]} >= {"wait", "plan", "queue", "draw", "judge"}
    assert trace["answers"][0] == {"phase": "plan", "step": None, "number": None, "raw": ["the raw answer"]}
    assert trace["settings"]["attempts"][0]["prompt"] == "a hill"
    assert json.dumps(trace["totals"]) and trace["elapsed"] > 0
