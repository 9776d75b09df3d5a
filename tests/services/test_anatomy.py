"""What all four services share, asked over a real socket through the client that they all are asked by."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from interleavethinker import http
from interleavethinker.clients.base import ServiceClient
from interleavethinker.errors import BadRequest, InterleaveError, Malformed, NotFound, Unavailable
from services.anatomy import service_app


class Body(BaseModel):
    count: int


class Room:
    """A service of one's own: an echo, several ways to fail, and a stream."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.away = 0
        self.asked = 0
        self.finish = asyncio.Event()
        self.app = service_app("room", ready=self.ready, title="A room", description="For tests")
        self._furnish(self.app)

    async def ready(self) -> list[str]:
        return self.problems

    def _furnish(self, app: FastAPI) -> None:
        @app.post("/echo")
        async def echo(body: Body) -> dict[str, object]:
            self.asked += 1
            if self.asked <= self.away:
                raise Unavailable("not yet")
            ids = {"request_id": http.request_id.get(), "run_id": http.run_id.get(), "fence": http.run_fence.get()}
            return {"count": body.count, **ids}

        @app.post("/malformed")
        async def malformed() -> None:
            self.asked += 1
            raise Malformed("missing_think", "no thoughts", "raw text")

        @app.get("/unexpected")
        async def unexpected() -> None:
            raise RuntimeError("a secret")

        @app.get("/stream")
        async def stream(end: str = "well") -> StreamingResponse:
            async def events() -> AsyncIterator[bytes]:
                yield http.sse("step", {"text": "first"}, 1)
                await self.finish.wait()
                if end == "badly":
                    yield http.sse("problem", http.problem(NotFound("lost")))
                elif end == "cut":
                    raise RuntimeError("cut")

            return StreamingResponse(events(), media_type=http.EVENT_STREAM)


@pytest.fixture
async def room() -> Room:
    return Room()


@pytest.fixture
async def url(room: Room, free_port: Callable[[], int]) -> AsyncIterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(room.app, port=port, log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it no other way
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    room.finish.set()
    await running


@pytest.fixture
async def client(url: str) -> AsyncIterator[ServiceClient]:
    client = ServiceClient(url, timeout=5, attempts=3, patience=5)
    yield client
    await client.close()


async def test_readiness_says_what_is_missing(room: Room, client: ServiceClient):
    assert await client.ready() == []
    room.problems = ["the model is loading", "redis is away"]
    assert await client.ready() == room.problems
    assert (await client.call("GET", "/livez")).json()["service"] == "room"


async def test_nobody_there_is_a_problem_too(free_port: Callable[[], int]):
    client = ServiceClient(f"http://127.0.0.1:{free_port()}", attempts=2, patience=1)
    assert "does not answer" in (await client.ready())[0]
    with pytest.raises(Unavailable, match="does not answer"):
        await client.call("GET", "/livez")
    await client.close()


async def test_ids_travel_with_a_call_and_come_back(client: ServiceClient):
    tokens = http.request_id.set("request-1"), http.run_id.set("run-1"), http.run_fence.set(3)
    answer = await client.call("POST", "/echo", json={"count": 1})
    http.request_id.reset(tokens[0])
    http.run_id.reset(tokens[1])
    http.run_fence.reset(tokens[2])
    assert answer.json() == {"count": 1, "request_id": "request-1", "run_id": "run-1", "fence": 3}
    assert answer.headers[http.REQUEST_ID] == "request-1"


@pytest.mark.parametrize("given", ["", "x" * 500, "a b", "é"])
async def test_an_id_that_is_none_is_replaced(given: str, url: str):
    async with httpx2.AsyncClient() as plain:
        answer = await plain.get(f"{url}/livez", headers={http.REQUEST_ID: given.encode()})
    assert answer.headers[http.REQUEST_ID].isalnum()
    assert answer.headers[http.REQUEST_ID] != given


async def test_absence_is_waited_for(room: Room, client: ServiceClient):
    room.away = 2
    assert (await client.call("POST", "/echo", json={"count": 1})).json()["count"] == 1
    assert room.asked == 3


async def test_absence_is_not_waited_for_without_end(room: Room, client: ServiceClient):
    room.away = 99
    with pytest.raises(Unavailable, match="not yet"):
        await client.call("POST", "/echo", json={"count": 1})
    assert room.asked == 3


async def test_an_answer_is_never_asked_for_again(room: Room, client: ServiceClient):
    with pytest.raises(Malformed) as error:
        await client.call("POST", "/malformed")
    assert (error.value.reason, error.value.raw, room.asked) == ("missing_think", "raw text", 1)


async def test_a_bad_request_says_what_to_change(client: ServiceClient):
    with pytest.raises(BadRequest, match=r"body\.count: Input should be a valid integer") as error:
        await client.call("POST", "/echo", json={"count": "many"})
    assert error.value.extra["errors"][0]["at"] == "body.count"  # type: ignore[index]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/echo", 405, "method_not_allowed"),
        ("POST", "/echo", 422, "invalid_request"),
        ("GET", "/unexpected", 500, "internal"),
    ],
)
async def test_every_error_is_a_problem_with_the_request_s_id(method: str, path: str, status: int, code: str, url: str):
    async with httpx2.AsyncClient() as plain:
        answer = await plain.request(method, url + path)
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == http.PROBLEM_JSON
    assert answer.headers[http.REQUEST_ID]
    assert "secret" not in answer.text


async def test_a_stream_passes_while_it_is_written(room: Room, client: ServiceClient):
    events = client.events("GET", "/stream")
    first = await asyncio.wait_for(anext(events), 2)
    assert first == http.SSE("1", "step", '{"text":"first"}')
    room.finish.set()
    assert [event async for event in events] == []


@pytest.mark.parametrize(("end", "kind"), [("badly", NotFound), ("cut", Unavailable)])
async def test_a_stream_that_ends_badly_raises(
    end: str, kind: type[InterleaveError], room: Room, client: ServiceClient
):
    room.finish.set()
    with pytest.raises(kind):
        async for event in client.events("GET", f"/stream?end={end}"):
            assert event.event == "step"


async def test_metrics_count_by_route(client: ServiceClient):
    await client.call("POST", "/echo", json={"count": 1})
    text = (await client.call("GET", "/metrics")).text
    assert (
        'interleavethinker_http_request_seconds_count{method="POST",route="/echo",service="room",status="200"}' in text
    )
    assert "# TYPE interleavethinker_step_seconds histogram" in text
    assert "interleavethinker_asyncio_tasks " in text


async def test_invented_methods_add_no_series(url: str, client: ServiceClient):
    async with httpx2.AsyncClient(base_url=url) as stranger:
        for number in range(3):
            assert (await stranger.request(f"INVENTED{number}", "/echo")).status_code == 405
    text = (await client.call("GET", "/metrics")).text
    assert 'method="other"' in text and "INVENTED" not in text


SPEAKING = """
import logging, structlog
from interleavethinker import http, telemetry
telemetry.configure_logging("room")
http.request_id.set("r1")
http.run_id.set("run1")
structlog.get_logger("ours").info("said", steps=3)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("theirs").exception("failed")
logging.getLogger("theirs").debug("whispered")
"""


def test_log_lines_are_json_with_both_ids_whoever_speaks():
    spoken = subprocess.run([sys.executable, "-c", SPEAKING], capture_output=True, text=True, check=True)
    assert spoken.stdout == ""
    ours, theirs = map(json.loads, spoken.stderr.splitlines())
    assert (ours["event"], ours["steps"], ours["level"], ours["logger"]) == ("said", 3, "info", "ours")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("failed", "error", "theirs")
    assert "ZeroDivisionError" in theirs["exception"]
    for line in (ours, theirs):
        assert (line["service"], line["request_id"], line["run_id"]) == ("room", "r1", "run1")
