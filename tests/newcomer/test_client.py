"""The public client against a real orchestrator over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from interleavethinker.client import Client
from interleavethinker.errors import BadRequest, Conflict, NotFound, Unauthenticated, Unavailable
from interleavethinker.events import Status
from tests import doors
from tests.newcomer.orchestra import PROMPT, orchestra


class Cutting(httpx2.BaseTransport):
    """Cuts every stream of events after its second event, as a bad line would; notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._network = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._network.handle_request(request)
        if not request.url.path.endswith("/events"):
            return response
        self.asked.append(request.headers["Last-Event-ID"])
        assert isinstance(response.stream, httpx2.SyncByteStream)
        return httpx2.Response(response.status_code, headers=response.headers, stream=_Cut(response.stream))

    def close(self) -> None:
        self._network.close()


class _Cut(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        passed = b""
        for chunk in self._stream:
            passed += chunk
            *whole, _ = passed.split(b"\n\n")
            if len(whole) >= 2:
                yield b"\n\n".join(whole[:2]) + b"\n\nid: 99\nevent: dra"
                raise httpx2.ReadError("the line is cut")
        yield passed

    def close(self) -> None:
        self._stream.close()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with orchestra(tmp_path) as url:
        yield url


def test_ask_follow_read(url: str):
    with Client(url) as client:
        run = client.ask(PROMPT, seed=3, max_attempts=2)
        events = list(client.follow(run))
        document = client.document(run)
        assert [recorded.seq for recorded in events] == list(range(1, len(events) + 1))
        assert events[-1].event.type == "finished"
        assert document.status is Status.SUCCEEDED
        assert (document.request.seed, document.request.max_attempts) == (3, 2)
        for digest in document.images:
            assert client.image(run, digest).startswith(b"\x89PNG")
        assert client.cancel(run) == "already_done"


def test_progress_is_told_to_who_asks(url: str):
    told: list[dict[str, Any]] = []
    with Client(url) as client:
        run = client.ask(PROMPT, params={"num_inference_steps": 60})
        events = list(client.follow(run, progress=told.append))
        assert [recorded.seq for recorded in events] == list(range(1, len(events) + 1))
    drawing = [each for each in told if each["step"]]
    assert drawing and all(0 <= each["done"] <= each["of"] for each in drawing)


def test_a_cut_stream_goes_on_where_it_stopped(url: str):
    with Client(url) as patient:
        run = patient.ask(PROMPT)
        whole = list(patient.follow(run))
    with Client(url, transport=(cutting := Cutting())) as client:
        assert list(client.follow(run)) == whole
        assert list(client.follow(run, after=3)) == whole[3:]
    assert cutting.asked[:3] == ["0", "2", "4"]


def test_a_run_cut_short_is_resumed_and_followed_to_its_last_end(url: str):
    with Client(url) as client:
        run = client.ask(PROMPT, budget={"max_draws": 1})
        assert [recorded.event.type for recorded in client.follow(run)][-1] == "finished"
        assert client.document(run).status is Status.PARTIAL
        client.resume(run, budget={"max_draws": 9})
        told = [recorded.event.type for recorded in client.follow(run)]
        assert (told.count("finished"), told.count("resumed"), told[-1]) == (2, 1, "finished")
        assert client.document(run).status is Status.SUCCEEDED


def test_a_file_is_sent_as_an_image(url: str, tmp_path: Path):
    from tests.lessons import picture

    (tmp_path / "boat.png").write_bytes(picture("red"))
    with Client(url) as client:
        run = client.ask("<image> go on", images=[tmp_path / "boat.png"])
        assert len(client.document(run).request.brief.images) == 1
        with pytest.raises(BadRequest, match=r"nowhere\.png cannot be read: No such file"):
            client.ask("<image> go on", images=[tmp_path / "nowhere.png"])


def test_the_services_own_errors_are_raised(url: str):
    with Client(url) as client:
        with pytest.raises(NotFound, match="there is no run 'run_none'"):
            client.document("run_none")
        with pytest.raises(NotFound):
            list(client.follow("run_none"))
        with pytest.raises(BadRequest, match="max_attempts"):
            client.ask(PROMPT, max_attempts=99)


def test_nobody_there(free_port):
    with Client(f"http://127.0.0.1:{free_port()}", patience=0.3) as client:
        for call in (lambda: client.ask(PROMPT), lambda: client.document("run"), lambda: list(client.follow("run"))):
            with pytest.raises(Unavailable, match=r"does not answer.*is the stack up"):
                call()


class Losing(httpx2.BaseTransport):
    """Loses the answer to every first POST, after the service has done what it asks."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._network = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._network.handle_request(request)
        if request.method == "POST":
            self.keys.append(request.headers["Idempotency-Key"])
            if self.keys.count(self.keys[-1]) == 1:
                response.close()
                raise httpx2.ReadError("the answer is lost")
        return response

    def close(self) -> None:
        self._network.close()


def test_an_answer_that_is_lost_begins_no_second_run(url: str):
    with Client(url, transport=(losing := Losing())) as client:
        run = client.ask(PROMPT)
        assert [key == losing.keys[0] for key in losing.keys] == [True, True]
        list(client.follow(run))
        client.redraw(run, 1)
        list(client.follow(run))
        assert len(client.document(run).steps[0].attempts) == 2
        assert client.ask(PROMPT, key="mine") == client.ask(PROMPT, key="mine") != run
    assert len(httpx2.get(f"{url}/interleave").json()["runs"]) == 2


def test_a_document_is_worked_on_after_it_was_made(url: str):
    with Client(url) as client:
        run = client.ask(PROMPT)
        list(client.follow(run))
        client.redraw(run, 2, prompt="a blue hat", later="redraw")
        events = list(client.follow(run))
        assert [recorded.event.type for recorded in events].count("finished") == 2
        assert client.document(run).steps[1].attempt.prompt == "a blue hat"
        kept = client.keep(run, 2, 1)
        assert (kept.steps[1].kept, kept.steps[1].chosen) == (1, True)
        assert list(client.follow(run))[-1].event.type == "attempt_kept"
        branch = client.branch(run, 2, seed=9)
        list(client.follow(branch))
        assert client.document(branch).origin.run_id == run
        further = client.go_on(run, "and then?")
        list(client.follow(further))
        assert len(client.document(further).request.brief.images) == 2


def test_a_plan_is_looked_at_first(url: str):
    with Client(url) as client:
        run = client.ask(PROMPT, review_plan=True)
        for recorded in client.follow(run):
            if recorded.event.type == "plan_awaited":
                edited = client.edit_plan(run, [client.document(run).steps[0].step])
                assert len(edited.steps) == 1
                client.approve(run)
        assert [step.finished for step in client.document(run).steps] == [True]
        with pytest.raises(Conflict, match="waits for nobody"):
            client.approve(run)


def test_a_key_is_borne_on_every_call(tmp_path: Path):
    with orchestra(tmp_path, auth="keys") as url:
        key = asyncio.run(doors.key(tmp_path, "acme"))["Authorization"].removeprefix("Bearer ")
        with Client(url) as nobody, pytest.raises(Unauthenticated):
            nobody.ask(PROMPT)
        with Client(url, api_key=key) as client:
            run = client.ask(PROMPT)
            assert [recorded.event.type for recorded in client.follow(run)][-1] == "finished"
            assert client.document(run).status is Status.SUCCEEDED
