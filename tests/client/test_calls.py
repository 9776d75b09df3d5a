"""The public client against a real orchestrator over real HTTP, with async and without."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from interleavethinker import exports
from interleavethinker.client import Unreached
from interleavethinker.client.access import Patience
from interleavethinker.client.answers import Following
from interleavethinker.errors import (
    BadRequest,
    Conflict,
    InterleaveError,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from interleavethinker.events import Status
from tests import doors
from tests.client import either
from tests.newcomer.orchestra import PROMPT, orchestra
from tests.servers.cutting import bad_line

Opening = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with orchestra(tmp_path) as url:
        yield url


@pytest.fixture
def client(kind: str, url: str) -> Iterator[Any]:
    with either.client(kind, url) as client:
        yield client


def test_interleave_iterate_read(client: Any):
    run = client.interleave(PROMPT, seed=3, max_attempts=2)
    events = list(run)
    assert [recorded.seq for recorded in events] == list(range(1, len(events) + 1))
    assert events[-1].event.type == "finished"
    assert list(run) == [], "all was read, and the run is at its end"
    assert list(run.events(after=3)) == events[3:]
    document = run.document()
    assert (document.status, document.prompt, document.check().id) == (Status.SUCCEEDED, PROMPT, run.id)
    assert (document.value.request.seed, document.value.request.max_attempts) == (3, 2)
    assert all(data.startswith(b"\x89PNG") for data in document.pictures().values())
    assert run.cancel() == "already_done"


def test_the_calls_by_id(client: Any):
    run = client.ask(PROMPT, seed=3)
    assert [recorded.event.type for recorded in client.follow(run)][-1] == "finished"
    document = client.document(run)
    assert document.status is Status.SUCCEEDED
    assert client.image(run, next(iter(document.images))).startswith(b"\x89PNG")
    assert client.cancel(run) == "already_done"


def test_waiting_ends_with_the_run_or_with_patience(kind: str, tmp_path: Path):
    with orchestra(tmp_path, pause=0.4) as url, either.client(kind, url) as client:
        run, began = client.interleave(PROMPT), time.monotonic()
        with pytest.raises(TimeoutError, match="not at its end"):
            run.wait(timeout=0.5)
        assert time.monotonic() - began < 3
        assert run.wait(timeout=30).status is Status.SUCCEEDED
        assert run.wait().status is Status.SUCCEEDED


def test_a_cut_stream_goes_on_where_it_stopped(kind: str, client: Any, url: str):
    run = client.ask(PROMPT)
    whole = list(client.follow(run))
    with bad_line(url, events=2) as line, either.client(kind, line.url) as cut:
        assert list(cut.follow(run)) == whole
        assert [headers["last-event-id"] for *_, headers in line.asked][:3] == ["0", "2", "4"]
        assert list(cut.follow(run, after=3)) == whole[3:]


@pytest.mark.slow
def test_a_line_that_never_holds_is_given_up(kind: str, client: Any, url: str):
    run = client.ask(PROMPT)
    client.run(run).wait()
    with (
        bad_line(url, events=0) as line,
        either.client(kind, line.url) as cut,
        pytest.raises(Unavailable, match="again and again"),
    ):
        list(cut.follow(run))


def test_a_run_cut_short_is_resumed_and_followed_to_its_last_end(client: Any):
    run = client.interleave(PROMPT, budget={"max_draws": 1})
    document = run.wait()
    assert document.status is Status.PARTIAL
    with pytest.raises(Exception, match="max_draws") as raised:
        document.check()
    assert raised.value.code == document.problem.code
    told = [recorded.event.type for recorded in run.resume(budget={"max_draws": 9})]
    assert (told[0], told.count("finished"), told[-1]) == ("resumed", 1, "finished")
    assert [recorded.event.type for recorded in client.follow(run.id)].count("finished") == 2
    assert document.refresh().status is Status.SUCCEEDED


def test_pictures_in_every_form(client: Any, tmp_path: Path):
    out = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(out, "PNG")
    (tmp_path / "boat.png").write_bytes(out.getvalue())
    pictures = [tmp_path / "boat.png", str(tmp_path / "boat.png"), out.getvalue(), Image.open(out), doors.picture()]
    brief = client.run(client.ask("go on", images=pictures)).document().value.request.brief
    assert len(brief.images) == 5
    assert len({image.digest for image in brief.images}) == 1
    again = client.interleave("go on", references=[brief.images[0]], size=(64, 32)).document().value.request
    assert again.references[0].digest == brief.images[0].digest
    assert (again.size.width, again.size.height) == (64, 32)
    with pytest.raises(BadRequest, match=r"nowhere\.png cannot be read: No such file"):
        client.ask("go on", images=[tmp_path / "nowhere.png"])


def test_the_services_own_errors_are_raised(client: Any):
    with pytest.raises(NotFound, match="there is no run 'run_none'"):
        client.run("run_none").document()
    with pytest.raises(NotFound):
        list(client.run("run_none"))
    with pytest.raises(BadRequest, match="max_attempts") as wrong:
        client.interleave(PROMPT, max_attempts=99)
    assert (wrong.value.code, wrong.value.status, wrong.value.retryable) == ("invalid_request", 422, False)
    with pytest.raises(BadRequest, match="anchor: steps that are independent are drawn from no other step's picture"):
        client.interleave(PROMPT, independent_steps=True, anchor=1)
    client.ask(PROMPT, key="mine")
    with pytest.raises(BadRequest) as reused:
        client.ask("another", key="mine")
    assert reused.value.code == "idempotency_key_reused"


def test_nobody_there_is_told_at_once(kind: str, free_port: Callable[[], int]):
    began = time.monotonic()
    with either.client(kind, f"http://127.0.0.1:{free_port()}") as client:
        for call in (lambda: client.ask(PROMPT), lambda: client.document("run"), lambda: list(client.follow("run"))):
            with pytest.raises(Unreached, match=r"does not answer.*is the stack up"):
                call()
    assert time.monotonic() - began < 5
    with pytest.raises(BadRequest, match="does not begin with http"), either.client(kind, "localhost:8080"):
        pass


def test_an_answer_that_is_lost_after_the_commit_begins_no_second_run(kind: str, url: str):
    with (
        bad_line(url, lose=lambda method, _, often: method == "POST" and often == 1) as line,
        either.client(kind, line.url) as client,
    ):
        run = client.interleave(PROMPT)
        assert len(line.keys) == 2
        assert len(set(line.keys)) == 1
        run.wait().steps[0].redraw().wait()
        document = run.document().steps[1].keep(1)
        assert len(document.steps[0].attempts) == 2
        assert len(document.branch(2).wait().steps) == 3
        assert client.ask(PROMPT, key="mine") == client.ask(PROMPT, key="mine") != run.id
    runs = httpx2.get(f"{url}/interleave").json()["runs"]
    assert len(runs) == 3
    kept = [each for each in list(either_events(url, run.id)) if each == "attempt_kept"]
    assert len(kept) == 1


def either_events(url: str, run_id: str) -> Iterator[str]:
    for line in httpx2.get(f"{url}/interleave/{run_id}/events").text.splitlines():
        if line.startswith("event: "):
            yield line.removeprefix("event: ")


def test_a_limit_that_is_too_far_off_is_told(kind: str, tmp_path: Path):
    with (
        orchestra(tmp_path, pause=0.1, queued_per_owner=1, runs_at_once=1) as url,
        either.client(kind, url, patience=0.5) as client,
        pytest.raises(InterleaveError) as full,
    ):
        for _ in range(6):
            client.ask(PROMPT)
    assert (full.value.code, full.value.status) == ("queue_full", 429)
    assert full.value.extra["retry_after"] > 0.5


def test_what_is_waited_out():
    patience = Patience(10)
    assert patience.hook(RateLimited("slowly", retry_after=2)) == 2.0
    assert patience.hook(RateLimited("slowly", retry_after=20)) is False
    assert patience.hook(BadRequest("no")) is False
    assert patience.hook(Unreached("gone")) is True, "it had answered before"
    assert Patience(10).hook(Unreached("nobody")) is False


def test_a_document_is_worked_on_after_it_was_made(client: Any):
    run = client.interleave(PROMPT)
    document = run.wait()
    assert [step.number for step in document.steps] == [1, 2, 3]
    assert document.step(2).number == document.steps[1].number
    assert document.steps[1].picture() == document.pictures()[document.steps[1].image.digest]
    assert document.steps[2].picture() is None
    with pytest.raises(KeyError, match="no step 9"):
        document.step(9)
    events = [recorded.event.type for recorded in document.step(2).redraw(prompt="a blue hat", later="redraw")]
    assert (events[0], events.count("finished")) == ("step_reopened", 1)
    document = document.refresh()
    assert document.step(2).value.attempt.prompt == "a blue hat"
    kept = document.step(2).keep(1)
    assert (kept.step(2).value.kept, kept.step(2).value.chosen) == (1, True)
    assert [recorded.event.type for recorded in run] == ["attempt_kept"]
    branch = kept.branch(2, seed=9)
    assert branch.wait().value.origin.run_id == run.id
    planned = [document.step(2).value.step.model_copy(update={"prompt": "a lake"})]
    assert [step.value.step.prompt for step in kept.branch(2, steps=planned).wait().steps] == ["a ball", "a lake"]
    assert len(kept.continue_("and then?").wait().value.request.brief.images) == 2


def test_a_document_is_taken_away(client: Any, tmp_path: Path):
    document = client.interleave(PROMPT).wait()
    assert document.save(tmp_path / "out") == tmp_path / "out" / "document.html"
    for kind in exports.FORMATS.values():
        path = tmp_path / "files" / f"guide{kind.suffix}"
        assert document.export(str(path)) == path
        assert path.stat().st_size > 500
    with pytest.raises(BadRequest, match="no format 'xyz'; write one of pdf"):
        document.export("guide.xyz")
    page = document._repr_html_()
    assert page.count("data:image/png;base64,") == 2
    assert "a ball" in page
    assert "http" not in page, "nothing is loaded from elsewhere"


def test_a_plan_is_looked_at_first(client: Any):
    run = client.interleave(PROMPT, review_plan=True)
    for recorded in run:
        if recorded.event.type == "plan_awaited":
            edited = run.edit_plan([run.document().steps[0].value.step])
            assert len(edited.steps) == 1
            run.approve()
    assert [step.value.finished for step in run.document().steps] == [True]
    with pytest.raises(Conflict, match="waits for nobody"):
        run.approve()


def test_progress_is_read_between_the_events():
    told = Following(4)
    lines = ["event: progress", 'data: {"step":2,"number":1,"done":3,"of":4}']
    assert [told.take(line) for line in lines] == [None, None]
    assert told.take("") == {"step": 2, "number": 1, "done": 3, "of": 4}
    assert told.again()["Last-Event-ID"] == "4", "it has no number, and moves none"
    for line in ("id: 5", "event: of_a_newer_service", 'data: {"seq": 5}'):
        assert told.take(line) is None
    assert (told.take(""), told.after) == (None, 5)


def test_a_run_is_traced(client: Any):
    run = client.interleave(PROMPT)
    run.wait()
    trace = run.trace()
    assert (trace["run_id"], trace["status"]) == (run.id, "succeeded")


def test_canceling(kind: str, tmp_path: Path):
    with orchestra(tmp_path, pause=0.5) as url, either.client(kind, url) as client:
        run = client.interleave(PROMPT)
        assert run.cancel() == "requested"
        assert run.wait().status is Status.CANCELED


def test_runs_are_asked_for_page_by_page(kind: str, client: Any, url: str):
    made = [client.ask(PROMPT, seed=seed) for seed in range(5)]
    with bad_line(url) as line, either.client(kind, line.url) as counted:
        runs = counted.runs(page=2)
        assert line.asked == []
        first = next(iter(runs))
        assert (first.id, first.about.prompt) == (made[-1], PROMPT)
        assert len(line.asked) == 1
        assert [first.id, *(run.id for run in runs)] == made[::-1]
        assert len(line.asked) == 3
    client.run(made[0]).wait()
    assert made[0] in [run.id for run in client.runs(status=["succeeded"])]
    assert list(client.runs(status=["waiting"])) == []


def test_a_key_and_the_address_come_from_the_environment(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with orchestra(tmp_path, auth="keys") as url:
        key = asyncio.run(doors.key(tmp_path, "acme"))["Authorization"].removeprefix("Bearer ")
        monkeypatch.setenv("INTERLEAVETHINKER_URL", url)
        with either.client(kind) as nobody, pytest.raises(Unauthenticated):
            nobody.ask(PROMPT)
        with either.client(kind, api_key=key) as client:
            run = client.interleave(PROMPT)
            assert run.wait().status is Status.SUCCEEDED
        monkeypatch.setenv("INTERLEAVETHINKER_API_KEY", key)
        with either.client(kind) as client:
            assert client.run(run.id).document().pictures()


def test_a_notebook_shows_what_may_be_fetched_in_it(kind: str, url: str):
    asked: list[str] = []

    class Line(httpx2.HTTPTransport if kind == "sync" else httpx2.AsyncHTTPTransport):  # type: ignore[misc]
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.path)
            return super().handle_request(request)

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.path)
            return await super().handle_async_request(request)

    with either.client(kind, url, transport=Line()) as client:
        document = client.interleave(PROMPT).wait()
        asked.clear()
        page = document._repr_html_()
        pictures = [path for path in asked if "/images/" in path]
        if kind == "sync":
            assert (page.count("<img"), len(pictures)) == (2, 2), "over the client's own line, and only what stands"
        else:
            assert (page.count("await document.pictures()"), asked) == (2, []), "the event loop is not held up"
            document.pictures()
        page = document._repr_html_()
        assert (page.count("<img"), page.count("not fetched yet")) == (2, 0)
