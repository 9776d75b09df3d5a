"""The orchestrator's HTTP: its app, journal and runs are real; behind its ports are fakes."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.errors import Malformed
from interleavethinker.events import Recorded
from interleavethinker.http import PROBLEM_JSON, SSE_COMMENT, read_sse
from services.orchestrator.app import create_app
from services.orchestrator.settings import ImageLimits, OrchestratorSettings
from services.orchestrator.stream import as_sse
from tests.fakes import FakeCritic, FakeGenerator, FakePlanner, revise, steps_of

Open = Callable[..., Any]
SNOWMAN = {"prompt": "How do I draw a snowman?"}
WAIT = {"Prefer": "wait=120"}


@pytest.fixture
async def opened(tmp_path: Path, blobs: DirectoryBlobs) -> AsyncIterator[Open]:
    """Opens an orchestrator on the test's journal, over the given fakes, and gives a client of it."""
    async with AsyncExitStack() as stack:

        async def open_app(
            *prompts: str | None, verdicts: Any = (), planner: Any = None, **how: Any
        ) -> httpx2.AsyncClient:
            settings = OrchestratorSettings(
                journal=f"sqlite:///{tmp_path}/journal.db", images=ImageLimits(count=2, bytes=100_000, pixels=10_000)
            )
            app = create_app(
                settings.model_copy(update=how.pop("settings", {})),
                planner=planner or FakePlanner(steps_of(*(prompts or ("a hill", "a snowman")))),
                critic=FakeCritic(verdicts),
                generator=how.pop("generator", None) or FakeGenerator(blobs, **how),
                blobs=blobs,
            )
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx2.ASGITransport(app)
            return await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://door.test"))

        yield open_app


def picture(format: str = "PNG", size: tuple[int, int] = (20, 10), **how: Any) -> str:
    out = io.BytesIO()
    Image.new(how.pop("mode", "RGB"), size, how.pop("color", "red")).save(out, format, **how)
    return f"data:image/{format.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"


async def events_of(client: httpx2.AsyncClient, path: str, **how: Any) -> list[Recorded]:
    response = await client.get(path, **how)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = [event async for event in read_sse(response.aiter_lines()) if event.event != "progress"]
    recorded = [Recorded.model_validate_json(event.data) for event in found]
    assert [(event.id, event.event) for event in found] == [(str(r.seq), r.event.type) for r in recorded]
    return recorded


async def finished(client: httpx2.AsyncClient, links: dict[str, str]) -> dict[str, Any]:
    await events_of(client, links["events"])
    return (await client.get(links["document"])).json()


async def test_it_answers_at_once_with_links(opened: Open):
    client = await opened()
    response = await client.post("/interleave", json=SNOWMAN)
    body = response.json()
    assert response.status_code == 202
    assert body["status"] in ("queued", "processing")
    run = f"http://door.test/interleave/{body['id']}"
    assert response.headers["location"] == run
    assert body["links"] == {
        "self": run, "document": run, "events": f"{run}/events", "image": f"{run}/images/{{digest}}", "cancel": run,
        "export": f"{run}/export?format={{format}}",
    }  # fmt: skip
    assert (await finished(client, body["links"]))["status"] == "succeeded"


async def test_links_start_where_callers_reach_it(opened: Open):
    client = await opened(settings={"public_url": "https://pictures.example/api/"})
    response = await client.post("/interleave", json=SNOWMAN)
    assert response.headers["location"].startswith("https://pictures.example/api/interleave/run_")


async def test_a_caller_may_wait_for_the_document(opened: Open):
    client = await opened("a hill", "a snowman", verdicts=[revise("a green hill")])
    response = await client.post("/interleave", json=SNOWMAN, headers={"Prefer": "respond-async, wait=120"})
    body = response.json()
    assert (response.status_code, response.headers["preference-applied"]) == (200, "wait=120")
    assert body["status"] == "succeeded" and len(body["digest"]) == 64
    hill, snowman = body["document"]["steps"]
    assert (hill["kept"], hill["accepted"], hill["attempts"][1]["prompt"]) == (2, True, "a green hill")
    assert body == (await client.get(body["links"]["self"])).json()
    assert snowman["attempts"][0]["references"][0]["digest"] == hill["attempts"][1]["image"]["digest"]


async def test_waiting_ends_when_the_time_is_over(opened: Open):
    client = await opened(pause=60)
    response = await client.post("/interleave", json=SNOWMAN, headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    assert response.json()["status"] in ("queued", "processing")


async def test_a_caller_may_take_the_events_directly(opened: Open):
    client = await opened("a hill")
    response = await client.post("/interleave", json=SNOWMAN, headers={"Accept": "text/event-stream"})
    types = [event.event async for event in read_sse(response.aiter_lines()) if event.event != "progress"]
    assert types[0] == "created" and types[-1] == "finished"
    assert sorted(types) == sorted(
        ["created", "started", "step_planned", "planned", "drawn", "judged", "step_finished", "finished"]
    )
    assert response.headers["x-run-id"] in response.headers["location"]


async def test_events_go_on_where_a_reader_left_off(opened: Open):
    client = await opened()
    links = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()["links"]
    whole = await events_of(client, links["events"])
    assert [recorded.seq for recorded in whole] == list(range(1, len(whole) + 1))
    assert await events_of(client, links["events"], headers={"Last-Event-ID": "3"}) == whole[3:]
    assert await events_of(client, links["events"], params={"after": 5}) == whole[5:]
    assert await events_of(client, links["events"], params={"after": len(whole)}) == []


async def test_a_quiet_stream_is_kept_alive_and_ends_when_it_is_left():
    following = asyncio.Event()

    async def never() -> AsyncIterator[Recorded]:
        try:
            await asyncio.Event().wait()
            yield  # type: ignore[misc]
        finally:
            following.set()

    stream = as_sse(never(), quiet=0.01)
    assert [await anext(stream), await anext(stream)] == [SSE_COMMENT, SSE_COMMENT]
    await stream.aclose()
    await asyncio.wait_for(following.wait(), 60)


async def test_images_of_a_run_are_served_and_others_are_not(opened: Open, blobs: DirectoryBlobs):
    client = await opened("a hill", verdicts=[revise("a green hill")])
    body = (await client.post("/interleave", json=SNOWMAN | {"images": [picture()]}, headers=WAIT)).json()
    document = body["document"]
    given, refused = document["request"]["brief"]["images"][0], document["steps"][0]["attempts"][0]["image"]
    for image in (given, refused):
        response = await client.get(body["links"]["image"].replace("{digest}", image["digest"]))
        assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
        assert "immutable" in response.headers["cache-control"]
        assert Image.open(io.BytesIO(response.content)).size == (image["width"], image["height"])
        again = await client.get(response.url, headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    other = await blobs.put(b"another run's")
    for digest, status in [(other, 404), ("0" * 64, 404), ("../../etc", 404), ("ABC", 422)]:
        assert (await client.get(f"{body['links']['self']}/images/{digest}")).status_code == status


async def test_the_list_is_newest_first_in_pages(opened: Open):
    client = await opened(None)
    made = [
        (await client.post("/interleave", json={"prompt": f"run {n}"}, headers=WAIT)).json()["id"] for n in range(3)
    ]
    first = (await client.get("/interleave", params={"limit": 2})).json()
    second = (await client.get("/interleave", params={"limit": 2, "cursor": first["next"]})).json()
    assert [run["id"] for run in first["runs"] + second["runs"]] == made[::-1]
    assert second["next"] is None
    assert first["runs"][0]["prompt"] == "run 2"
    assert (await client.get("/interleave", params={"cursor": "nonsense"})).status_code == 422


async def test_cancel_says_what_became_of_it(opened: Open):
    client = await opened(pause=60)
    body = (await client.post("/interleave", json=SNOWMAN)).json()
    run = body["links"]["cancel"]
    await asyncio.sleep(0.1)
    assert (await client.delete(run)).json() == {"cancel": "requested"}
    assert (await client.get(run)).json()["status"] == "canceled"
    assert (await client.delete(run)).json() == {"cancel": "already_done"}
    unknown = await client.delete("/interleave/run_no")
    assert (unknown.status_code, unknown.json()["cancel"]) == (404, "unknown")
    assert [r.event.type for r in await events_of(client, body["links"]["events"])][-1] == "finished"


async def test_a_queued_run_can_be_canceled(opened: Open):
    client = await opened(pause=60, settings={"runs_at_once": 1})
    await client.post("/interleave", json=SNOWMAN)
    waiting = (await client.post("/interleave", json=SNOWMAN)).json()
    assert (await client.get(waiting["links"]["self"])).json()["status"] == "queued"
    await client.delete(waiting["links"]["cancel"])
    assert [r.event.type for r in await events_of(client, waiting["links"]["events"])] == ["created", "finished"]


async def test_runs_beyond_the_limit_wait_their_turn(opened: Open):
    client = await opened("a hill", pause=0.05, settings={"runs_at_once": 2})
    asked = [client.post("/interleave", json=SNOWMAN | {"seed": n}, headers=WAIT) for n in range(5)]
    assert [answer.json()["status"] for answer in await asyncio.gather(*asked)] == ["succeeded"] * 5


async def test_a_plan_nobody_can_read_fails_with_the_raw_answer_kept(opened: Open):
    breaks = Malformed("unreadable", "the planner's answer is no plan", "I would rather not")
    client = await opened(planner=FakePlanner(steps_of("a"), breaks=breaks))
    body = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
    assert body["status"] == "failed"
    assert body["document"]["problem"] == {
        "code": "malformed_answer", "detail": breaks.detail, "retryable": True, "raw": breaks.raw,
    }  # fmt: skip


async def test_what_was_finished_before_a_failure_stands(opened: Open):
    client = await opened("a hill", "the impossible", broken=["the impossible"])
    body = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
    assert (body["status"], body["document"]["problem"]["code"]) == ("partial", "draw_failed")
    assert [step["finished"] for step in body["document"]["steps"]] == [True, False]


async def test_a_spent_budget_is_partial(opened: Open):
    client = await opened("a", "b", "c")
    body = (await client.post("/interleave", json=SNOWMAN | {"budget": {"max_draws": 2}}, headers=WAIT)).json()
    assert (body["status"], body["document"]["problem"]["code"]) == ("partial", "budget_spent")


async def test_a_bug_is_told_without_its_insides(opened: Open):
    client = await opened(planner=FakePlanner(steps_of("a"), breaks=ZeroDivisionError("secret")))
    body = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
    assert (body["status"], body["document"]["problem"]["code"]) == ("failed", "internal")
    assert "secret" not in str(body)


async def test_input_images_become_our_own_png(opened: Open, blobs: DirectoryBlobs):
    client = await opened()
    given = [picture("JPEG"), picture("WEBP", color=(0, 0, 0, 0), mode="RGBA", lossless=True).partition(",")[2]]
    body = (await client.post("/interleave", json={"prompt": "go on <image>", "images": given}, headers=WAIT)).json()
    for ref, color in zip(body["document"]["request"]["brief"]["images"], ("red", "white"), strict=True):
        image = Image.open(io.BytesIO(await blobs.get(ref["digest"])))
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (20, 10))
        wanted = Image.new("RGB", (1, 1), color).getpixel((0, 0))
        assert all(abs(a - b) < 3 for a, b in zip(image.getpixel((5, 5)), wanted, strict=True))
    stored = body["document"]["request"]["brief"]["images"][0]["digest"]
    again = (await client.post("/interleave", json={"prompt": "go on", "images": [stored]}, headers=WAIT)).json()
    assert again["document"]["request"]["brief"]["images"][0]["digest"] == stored


def moving() -> str:
    out = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    return base64.b64encode(out.getvalue()).decode()


BAD = {
    "no prompt": ({}, "prompt"),
    "empty prompt": ({"prompt": ""}, "prompt"),
    "unknown field": ({"prompt": "a", "promt": "b"}, "promt"),
    "too many attempts": ({"prompt": "a", "max_attempts": 21}, "max_attempts"),
    "no such critic": ({"prompt": "a", "critic": "harsh"}, "critic"),
    "more markers than images": ({"prompt": "<image> and <image>", "images": [picture()]}, "2 <image> markers"),
    "too many images": ({"prompt": "a", "images": [picture()] * 3}, "at most 2"),
    "too many pixels": ({"prompt": "a", "images": [picture(size=(200, 100))]}, "200x100"),
    "too many bytes": ({"prompt": "a", "images": ["A" * 140_000]}, "100000 bytes"),
    "not an image": ({"prompt": "a", "images": [picture(), base64.b64encode(b"hello").decode()]}, "images[1]"),
    "another format": ({"prompt": "a", "images": [picture("GIF")]}, "PNG, JPEG or WebP"),
    "animated": ({"prompt": "a", "images": [moving()]}, "animated"),
    "cut short": ({"prompt": "a", "images": [picture(size=(90, 90))[:-60] + "=="]}, "images[0]"),
    "not base64": ({"prompt": "a", "images": ["data:image/png;base64,###"]}, "not base64"),
    "a url": ({"prompt": "a", "images": ["https://example.org/cat.png"]}, "not fetched"),
    "an anchor for none": ({"prompt": "a", "independent_steps": True, "anchor": 1}, "anchor: steps that are"),
    "an unknown digest": ({"prompt": "a", "images": ["0" * 64]}, "no image with the digest"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_requests_say_what_to_change(opened: Open, name: str):
    body, said = BAD[name]
    client = await opened()
    response = await client.post("/interleave", json=body)
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM_JSON)
    assert said in response.json()["detail"]
    assert (await client.get("/interleave")).json()["runs"] == []


async def test_a_body_beyond_all_bounds_is_not_read(opened: Open):
    client = await opened()
    response = await client.post("/interleave", json={"prompt": "a", "images": ["A" * 400_000]})
    assert (response.status_code, response.headers["content-type"]) == (413, PROBLEM_JSON)


@pytest.mark.parametrize("path", ["", "/events", f"/images/{'0' * 64}"])
async def test_unknown_runs_are_problems(opened: Open, path: str):
    response = await (await opened()).get(f"/interleave/run_no{path}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_run_cut_short_is_resumed_by_its_user(opened: Open, blobs: DirectoryBlobs):
    """By a limit in the middle of a step: nothing is drawn again, and the step goes on where it stopped."""
    generator = FakeGenerator(blobs)
    client = await opened("a hill", "a snowman", verdicts=[revise("a green hill")] * 2, generator=generator)
    asked = SNOWMAN | {"budget": {"max_draws": 2}}
    cut = (await client.post("/interleave", json=asked, headers=WAIT)).json()
    assert (cut["status"], cut["document"]["problem"]["code"]) == ("partial", "budget_spent")
    resume = f"{cut['links']['self']}/resume"
    refused = await client.post(resume)
    assert (refused.status_code, "higher" in refused.json()["detail"]) == (409, True)
    again = await client.post(resume, json={"budget": {"max_draws": 9}})
    assert (again.status_code, again.headers["location"]) == (202, cut["links"]["self"])
    body = await finished(client, cut["links"])
    assert (body["status"], body["document"]["problem"]) == ("succeeded", None)
    assert [len(step["attempts"]) for step in body["document"]["steps"]] == [3, 1]
    assert [step["accepted"] for step in body["document"]["steps"]] == [True, True]
    assert len(generator.drawn) == 4
    assert (await client.post(resume)).status_code == 409
    assert (await client.post("/interleave/run_no/resume")).status_code == 404


async def test_a_failed_run_is_resumed_once_its_cause_is_gone(opened: Open, blobs: DirectoryBlobs):
    generator = FakeGenerator(blobs, broken=["a snowman"])
    client = await opened("a hill", "a snowman", generator=generator)
    cut = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
    assert (cut["status"], cut["document"]["problem"]["code"]) == ("partial", "draw_failed")
    generator.broken = frozenset()
    assert (await client.post(f"{cut['links']['self']}/resume")).json()["status"] in ("queued", "processing")
    assert (await finished(client, cut["links"]))["status"] == "succeeded"
    types = [recorded.event.type for recorded in await events_of(client, cut["links"]["events"])]
    assert types.count("finished") == types.count("started") == 2
    assert types.count("resumed") == types.count("planned") == 1
    assert len(generator.drawn) == 2


async def test_it_is_ready_and_measures(opened: Open):
    client = await opened("a hill", verdicts=[revise("b")])
    assert (await client.get("/readyz")).status_code == 200
    await client.post("/interleave", json=SNOWMAN, headers=WAIT)
    text = (await client.get("/metrics")).text
    for line in (
        'interleavethinker_step_seconds_count{attempt="",generator="",phase="plan",step=""}',
        'interleavethinker_step_seconds_count{attempt="1",generator="fake@1",phase="queue",step="1"}',
        'interleavethinker_step_seconds_count{attempt="1",generator="fake@1",phase="draw",step="1"}',
        'interleavethinker_step_seconds_count{attempt="2",generator="fake@1",phase="judge",step="1"}',
        'interleavethinker_document_seconds_count{status="succeeded"}',
        "interleavethinker_first_picture_seconds_count",
        'interleavethinker_runs_total{status="succeeded"}',
        "interleavethinker_drawings_total",
        'interleavethinker_step_attempts_bucket{le="2.0"}',
    ):
        assert line in text


async def test_it_is_not_ready_without_its_services(tmp_path: Path, free_port: Callable[[], int]):
    away = f"http://127.0.0.1:{free_port()}"
    settings = OrchestratorSettings(
        journal=f"sqlite:///{tmp_path}/journal.db", planner_url=away, critic_url=away, generator_url=away
    )
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://door.test") as client,
    ):
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert [problem.partition(":")[0] for problem in response.json()["problems"]] == ["planner", "critic", "generator"]


async def test_the_openapi_has_examples_and_every_answer(opened: Open):
    spec = (await (await opened()).get("/openapi.json")).json()
    assert {"/interleave", "/interleave/{run_id}", "/interleave/{run_id}/events"} <= set(spec["paths"])
    assert spec["components"]["schemas"]["Ask"]["examples"]
    post = spec["paths"]["/interleave"]["post"]
    assert {"200", "202", "default"} <= set(post["responses"])
    assert "text/event-stream" in post["responses"]["200"]["content"]
