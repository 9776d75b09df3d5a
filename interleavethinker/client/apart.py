"""Work that takes the processor or the disk, and pauses, for either client: beside the event loop, or just done. And
what is done only where nothing has to be awaited for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def apart_async(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(work, *args, **kwargs)


def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return work(*args, **kwargs)


async def pause_async(seconds: float) -> None:
    await asyncio.sleep(seconds)


def pause(seconds: float) -> None:
    time.sleep(seconds)


def at_once_async(call: Callable[P, Awaitable[object]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Nothing: whoever asks cannot await, and the event loop is not held up."""


def at_once(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    call(*args, **kwargs)
