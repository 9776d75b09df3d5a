"""A run's events as server-sent events: the journal's number as `id`, progress between them without one, a comment on
quiet streams, the end after the last event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel

from interleavethinker.events import Recorded
from interleavethinker.http import SSE_COMMENT, sse
from services.orchestrator.metrics import FOLLOWERS

QUIET_SECONDS = 15.0
PROGRESS = "progress"


async def as_sse(
    events: AsyncIterator[Recorded], progress: AsyncIterator[BaseModel] | None = None, *, quiet: float = QUIET_SECONDS
) -> AsyncIterator[bytes]:
    """Each event's bytes: `event` is its type, `data` the `Recorded` as JSON. What `progress` gives comes between them,
    as `progress` and with no `id`, so that Last-Event-ID remains the last event's. A comment after every `quiet`
    seconds without a word.

    Closing this stream stops following.
    """
    upcoming: asyncio.Future[Recorded | None] = asyncio.ensure_future(anext(events, None))
    telling = _next(progress)
    FOLLOWERS.inc()
    try:
        while True:
            awaited: set[asyncio.Future[Any]] = {upcoming, telling} if telling else {upcoming}
            done, _ = await asyncio.wait(awaited, timeout=quiet, return_when=asyncio.FIRST_COMPLETED)
            if upcoming in done:  # first: progress is of what the events have told
                if (recorded := upcoming.result()) is None:
                    return
                upcoming = asyncio.ensure_future(anext(events, None))
                yield sse(recorded.event.type, recorded, id=recorded.seq)
            elif telling and telling in done:
                said = telling.result()
                telling = _next(progress) if said else None
                if said:
                    yield sse(PROGRESS, said)
            else:
                yield SSE_COMMENT
    finally:
        FOLLOWERS.dec()
        upcoming.cancel()
        if telling:
            telling.cancel()


def _next(progress: AsyncIterator[BaseModel] | None) -> asyncio.Future[BaseModel | None] | None:
    return asyncio.ensure_future(anext(progress, None)) if progress else None
