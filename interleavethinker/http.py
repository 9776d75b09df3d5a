"""The little HTTP that every service and client shares: problem+json (RFC 9457), server-sent events, and the ids.

Shapes only: no server and no client is here (services/anatomy.py, clients/base.py).
"""

from __future__ import annotations

import http
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python

from interleavethinker.errors import BadRequest, InterleaveError, Malformed, NotFound, Unavailable

PROBLEM_JSON = "application/problem+json"
EVENT_STREAM = "text/event-stream"
REQUEST_ID = "X-Request-Id"
RUN_ID = "X-Run-Id"
TENANT = "X-Tenant"
RUN_FENCE = "X-Run-Fence"

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the HTTP request being answered; logs and outgoing calls carry it."""
run_id: ContextVar[str | None] = ContextVar("run_id", default=None)
"""The run that is being worked on; logs and outgoing calls carry it."""
run_fence: ContextVar[int] = ContextVar("run_fence", default=0)
"""How often the run has been taken up: what an orchestrator that lost it asks for late does not count any more."""

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)
"""For whom this is done: outgoing calls carry it, and pictures and drawing jobs are kept apart by it. None: no tenants.
Only the orchestrator says who it is, after it has seen a key; the other services believe the orchestrator."""


def trace_headers() -> dict[str, str]:
    """The ids of this context as headers for an outgoing call."""
    fence = run_fence.get()
    ids = {
        REQUEST_ID: request_id.get(),
        RUN_ID: run_id.get(),
        RUN_FENCE: str(fence) if fence else None,
        TENANT: tenant.get(),
    }
    return {name: value for name, value in ids.items() if value}


_TYPE = "urn:interleavethinker:problem:"
_STANDARD = ("type", "title", "status", "detail", "instance", "code", "retryable")


def problem(error: InterleaveError, *, status: int | None = None, instance: str | None = None) -> dict[str, Any]:
    """The error as an RFC 9457 object: the standard members, `code`, `retryable`, and the error's own extra members."""
    status = status or error.status
    found: dict[str, Any] = to_jsonable_python(error.extra, fallback=str)
    found |= {
        "type": _TYPE + error.code,
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.detail,
        "code": error.code,
        "retryable": error.retryable,
    }
    return found | ({"instance": instance} if instance else {})


def error_from_problem(body: Mapping[str, Any], status: int) -> InterleaveError:
    """The inverse of `problem`: an error of the right class. A body that is no problem of ours goes by its status."""
    code = body.get("code")
    detail = str(body.get("detail") or f"the service answered {status}")
    extra = {name: value for name, value in body.items() if name not in _STANDARD}
    error: InterleaveError
    if code == Malformed.code:
        error = Malformed(str(body.get("reason", "unreadable")), detail, str(body.get("raw", "")))
        error.extra = extra
    else:
        error = _class_of(code, status)(detail, **extra)
    error.status = status
    error.code = str(code or error.code)
    error.retryable = bool(body.get("retryable", error.retryable))
    return error


def _class_of(code: object, status: int) -> type[InterleaveError]:
    for known in _descendants(InterleaveError):
        if known.code == code and known is not Malformed:
            return known
    if status in (429, 502, 503, 504):
        return Unavailable
    if status == http.HTTPStatus.NOT_FOUND:
        return NotFound
    return BadRequest if 400 <= status < 500 else InterleaveError


def _descendants(base: type[InterleaveError]) -> Iterable[type[InterleaveError]]:
    for child in base.__subclasses__():
        yield child
        yield from _descendants(child)


class SSE(NamedTuple):
    """One server-sent event. `id` is the last one seen so far in its stream, as a browser would send it back."""

    id: str | None
    event: str
    data: str


_LINE_ENDS = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}


def sse(event: str, data: BaseModel | Mapping[str, Any] | str, id: str | int | None = None) -> bytes:
    """One event's bytes. A model or mapping is written as JSON; a string must already be JSON.

    U+0085, U+2028 and U+2029, at which many line readers break though JSON leaves them bare, are sent as escapes.
    """
    text = data if isinstance(data, str) else to_json(data).decode()
    lines = [f"id: {id}"] if id is not None else []
    lines += [f"event: {event}"]
    lines += [f"data: {line}" for line in text.translate(_LINE_ENDS).splitlines() or [""]]
    return ("\n".join(lines) + "\n\n").encode()


SSE_COMMENT = b": still here\n\n"
"""Sent every 15 s on quiet streams, so that proxies do not cut them."""


class SSELines:
    """Puts events together from a stream's lines. An event that the stream's end cuts is never given."""

    def __init__(self) -> None:
        self._last_id: str | None = None
        self._event, self._data = "message", list[str]()

    def take(self, line: str) -> SSE | None:
        """The event that this line (without its end) completes."""
        if not line:
            whole = SSE(self._last_id, self._event, "\n".join(self._data)) if self._data else None
            self._event, self._data = "message", []
            return whole
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id":
            self._last_id = value
        return None


async def read_sse(lines: AsyncIterable[str]) -> AsyncIterator[SSE]:
    """Read events from a response's lines (`response.aiter_lines()`). An event cut by the stream's end is dropped."""
    reader = SSELines()
    async for line in lines:
        if whole := reader.take(line):
            yield whole
