"""Streams on which nothing happens for a while: a comment now and then, so that nobody between takes them for dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from interleavethinker.http import SSE_COMMENT
from services.orchestrator.stream import QUIET_SECONDS


async def kept_alive(chunks: AsyncIterator[bytes], *, quiet: float = QUIET_SECONDS) -> AsyncGenerator[bytes, None]:
    """These chunks, and a comment after every `quiet` seconds without one. Closing this stream ends them."""
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
