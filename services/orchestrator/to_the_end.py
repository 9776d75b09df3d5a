"""Putting away what a run leaves behind, to the end: a run that is dropped is cancelled, and perhaps cancelled again
while it puts away.

Deliberately not here: what is put away (`hints`, `foresight`, `making`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

SECONDS = 30.0
"""A cancel waits for no longer than this."""

_going: set[asyncio.Task[None]] = set()


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await the work. A cancel of the caller does not reach it, and is raised once the work is done."""
    task = asyncio.create_task(work)
    _going.add(task)  # the loop itself keeps none alive
    task.add_done_callback(_going.discard)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        done, _ = await asyncio.wait({task}, timeout=SECONDS)
        for ended in done:
            if not ended.cancelled():
                ended.exception()  # is looked at; the cancel is what is raised
        raise
