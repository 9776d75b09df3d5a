"""A run's events as server-sent events: the journal's number as `id`, a comment on quiet streams, the end after the
last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from interleavethinker.events import Recorded
from interleavethinker.http import SSE_COMMENT, sse

QUIET_SECONDS = 15.0


async def as_sse(events: AsyncIterator[Recorded], *, quiet: float = QUIET_SECONDS) -> AsyncIterator[bytes]:
    """Each event's bytes: `event` is its type, `data` the `Recorded` as JSON. A comment after every `quiet` seconds
    without one.

    Closing this stream stops following.
    """
    async with aclosing(kept_alive(_written(events), quiet=quiet)) as chunks:
        async for chunk in chunks:
            yield chunk


async def _written(events: AsyncIterator[Recorded]) -> AsyncIterator[bytes]:
    async for recorded in events:
        yield sse(recorded.event.type, recorded, id=recorded.seq)


async def kept_alive(chunks: AsyncIterator[bytes], *, quiet: float = QUIET_SECONDS) -> AsyncGenerator[bytes, None]:
    """These chunks, and a comment after every `quiet` seconds without one."""
    upcoming = asyncio.ensure_future(anext(chunks, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=quiet)
            if not done:
                yield SSE_COMMENT
            elif chunk := upcoming.result():
                upcoming = asyncio.ensure_future(anext(chunks, None))
                yield chunk
            else:
                return
    finally:
        upcoming.cancel()
