"""A run's events as server-sent events: the journal's number as `id`, a comment on quiet streams, the end after the
last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from interleavethinker.events import Recorded
from interleavethinker.http import SSE_COMMENT, sse

QUIET_SECONDS = 15.0


async def as_sse(events: AsyncIterator[Recorded], *, quiet: float = QUIET_SECONDS) -> AsyncIterator[bytes]:
    """Each event's bytes: `event` is its type, `data` the `Recorded` as JSON. A comment after every `quiet` seconds
    without one.

    Closing this stream stops following.
    """
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=quiet)
            if not done:
                yield SSE_COMMENT
            elif recorded := upcoming.result():
                upcoming = asyncio.ensure_future(anext(events, None))
                yield sse(recorded.event.type, recorded, id=recorded.seq)
            else:
                return
    finally:
        upcoming.cancel()
