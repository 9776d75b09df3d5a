"""problem+json and server-sent events: what is written is read back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from interleavethinker import errors, http
from interleavethinker.errors import InterleaveError, Malformed

PLAIN = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, InterleaveError) and kind is not Malformed
]
texts = st.text(max_size=40)


@given(st.sampled_from(PLAIN), texts.filter(bool), st.dictionaries(st.sampled_from(["at", "digest"]), texts))
def test_an_error_comes_back_as_itself(kind: type[InterleaveError], detail: str, extra: dict[str, str]):
    error = kind(detail, **extra)
    body = from_json(to_json(http.problem(error)))
    assert body["status"] == kind.status
    again = http.error_from_problem(body, body["status"])
    assert (type(again), again.detail, again.extra, again.status, again.retryable) == (
        (kind, detail, extra, kind.status, kind.retryable)
    )


@given(texts, texts.filter(bool), texts)
def test_a_malformed_answer_keeps_its_reason_and_raw(reason: str, detail: str, raw: str):
    again = http.error_from_problem(http.problem(Malformed(reason, detail, raw)), 502)
    assert isinstance(again, Malformed)
    assert (again.reason, again.detail, again.raw) == (reason, detail, raw)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (404, errors.NotFound, False),
        (418, errors.BadRequest, False),
        (429, errors.Unavailable, True),
        (500, InterleaveError, False),
        (502, errors.Unavailable, True),
        (503, errors.Unavailable, True),
    ],
)
def test_a_strangers_answer_goes_by_its_status(status: int, kind: type[InterleaveError], retryable: bool):
    error = http.error_from_problem({}, status)
    assert (type(error), error.status, error.retryable) == (kind, status, retryable)
    assert str(status) in error.detail


def test_a_problem_has_the_members_of_rfc_9457():
    body = http.problem(errors.NotFound("there is no run 7", run="7", status="hidden"), instance="/interleave/7")
    assert body == {
        "type": "urn:interleavethinker:problem:not_found",
        "title": "Not found",
        "status": 404,
        "detail": "there is no run 7",
        "instance": "/interleave/7",
        "code": "not_found",
        "retryable": False,
        "run": "7",
    }


async def lines_of(data: bytes) -> AsyncIterator[str]:
    """As a response gives them, line ends of every alphabet included."""
    async for line in httpx2.Response(200, content=data).aiter_lines():
        yield line


async def read(data: bytes) -> list[http.SSE]:
    return [event async for event in http.read_sse(lines_of(data))]


@given(st.lists(st.tuples(st.sampled_from(["step", "plan"]), st.dictionaries(texts, texts)), max_size=4))
async def test_events_are_read_back(events: list[tuple[str, dict[str, str]]]):
    stream = b"".join(http.sse(name, data, number) for number, (name, data) in enumerate(events, 1))
    found = await read(stream)
    assert [(event.event, from_json(event.data)) for event in found] == events
    assert [event.id for event in found] == [str(number) for number in range(1, len(events) + 1)]


@given(st.dictionaries(texts, texts))
async def test_anyone_s_reader_reads_them(data: dict[str, str]):
    response = httpx2.Response(
        200,
        headers={"Content-Type": http.EVENT_STREAM},
        content=http.SSE_COMMENT + http.sse("step", data, 1),
        request=httpx2.Request("GET", "http://x"),
    )
    assert [(event.id, event.event, event.json()) for event in httpx2.EventSource(response)] == [("1", "step", data)]


async def test_comments_are_passed_over_and_ids_are_kept_until_the_next():
    stream = http.sse("a", "1", 7) + http.SSE_COMMENT + http.sse("b", '{\n"x": 1}') + b"event: cut\ndata: 1\n"
    assert await read(stream) == [http.SSE("7", "a", "1"), http.SSE("7", "b", '{\n"x": 1}')]


def test_the_ids_of_the_context_go_out_as_headers():
    assert http.trace_headers() == {}
    tokens = http.request_id.set("r1"), http.run_id.set("run1")
    assert http.trace_headers() == {"X-Request-Id": "r1", "X-Run-Id": "run1"}
    http.request_id.reset(tokens[0])
    http.run_id.reset(tokens[1])
