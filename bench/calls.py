"""Calls to a house, each timed and kept by its kind. What an answer should be is for who calls to say."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx2

from interleavethinker.http import EVENT_STREAM, SSE, read_sse

PERCENTILES = (50, 95, 99)


class Call(NamedTuple):
    """`seconds` until the last byte; of streams, until the first event. `status` 0: no answer came."""

    kind: str
    at: float
    seconds: float
    status: int


class Calls:
    """Calls the orchestrators in turn, for tenants with these keys (none: `auth` is off)."""

    def __init__(self, urls: Sequence[str], keys: Mapping[str, str] | None = None) -> None:
        self._urls, self._keys, self._turn = urls, keys or {}, 0
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(120.0, connect=10.0), limits=httpx2.Limits(max_connections=None)
        )
        self.began = time.monotonic()
        self.made: list[Call] = []
        self.unexpected: list[str] = []

    async def call(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        tenant: str = "",
        expect: Collection[int] = (200,),
        headers: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> httpx2.Response | None:
        """The answer; None where none came. One that is not expected is noted."""
        began = time.monotonic()
        try:
            answer = await self._http.request(
                method, self._next() + path, headers=self._headers(tenant) | dict(headers or {}), **rest
            )
        except httpx2.TransportError as error:
            self._note(kind, began, 0)
            self.unexpected.append(f"{kind}: {method} {path}: {type(error).__name__} {error}")
            return None
        self._note(kind, began, answer.status_code)
        if answer.status_code not in expect:
            self.unexpected.append(f"{kind}: {method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    @asynccontextmanager
    async def stream(
        self, kind: str, method: str, path: str, *, tenant: str = "", headers: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> AsyncIterator[AsyncIterator[SSE]]:  # fmt: skip
        """The events of a stream. Leaving the block early cuts the connection."""
        began = time.monotonic()
        said = {"Accept": EVENT_STREAM, **self._headers(tenant), **dict(headers or {})}
        request = self._http.build_request(method, self._next() + path, headers=said, **rest)
        answer = await self._http.send(request, stream=True)
        try:
            if answer.status_code != 200:
                self._note(kind, began, answer.status_code)
                self.unexpected.append(f"{kind}: {method} {path}: {answer.status_code} {await answer.aread()!r}")
            yield self._timed(kind, began, answer)
        finally:
            await answer.aclose()

    async def leave(self, kind: str, method: str, path: str, seconds: float, *, tenant: str = "", **rest: Any) -> None:
        """Make a call and hang up after so many seconds, answered or not."""
        rest["headers"] = self._headers(tenant) | rest.get("headers", {})
        try:
            async with asyncio.timeout(seconds):
                await self._http.request(method, self._next() + path, **rest)
        except TimeoutError:
            pass
        except httpx2.TransportError as error:
            self.unexpected.append(f"{kind}: {method} {path}: {type(error).__name__} {error}")

    async def close(self) -> None:
        await self._http.aclose()

    async def _timed(self, kind: str, began: float, answer: httpx2.Response) -> AsyncIterator[SSE]:
        first = True
        async for event in read_sse(answer.aiter_lines()):
            if first:
                self._note(kind, began, answer.status_code)
                first = False
            if event.event != "progress":  # it has no number, and what is lost of it is nobody's loss
                yield event

    def _next(self) -> str:
        self._turn += 1
        return self._urls[self._turn % len(self._urls)]

    def _headers(self, tenant: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[tenant]}"} if tenant else {}

    def _note(self, kind: str, began: float, status: int) -> None:
        now = time.monotonic()
        self.made.append(Call(kind, round(now - self.began, 2), round(now - began, 4), status))

    def table(self) -> dict[str, dict[str, Any]]:
        """How many calls of each kind, their percentiles in seconds, and how they were answered."""
        kinds = defaultdict[str, list[Call]](list)
        for call in self.made:
            kinds[call.kind].append(call)
        return {kind: summary(calls) for kind, calls in sorted(kinds.items())}


def summary(calls: Sequence[Call]) -> dict[str, Any]:
    seconds = sorted(call.seconds for call in calls)
    statuses = sorted({call.status for call in calls})
    return {
        "calls": len(calls),
        **{f"p{percent}": percentile(seconds, percent) for percent in PERCENTILES},
        "most": seconds[-1],
        "statuses": {str(each): sum(call.status == each for call in calls) for each in statuses},
    }


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
