"""Both clients as one: the one with async spoken to through an event loop in a thread, so that each test is written
once and runs with either."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from interleavethinker import AsyncClient, Client

HANDLES = ("AsyncClient", "AsyncRun", "AsyncRunDocument", "AsyncRunStep")


class Waited:
    """An object of the async client whose every call is waited for, and whose handles are such objects again."""

    def __init__(self, of: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._of, self._loop = of, loop

    def __getattr__(self, name: str) -> Any:
        return self._wrapped(getattr(self._of, name))

    def __iter__(self) -> Iterator[Any]:
        return self._iterated(self._of.__aiter__())

    def __repr__(self) -> str:
        return repr(self._of)

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(self._wrapped(each) for each in value)
        if type(value).__name__ in HANDLES:
            return Waited(value, self._loop)
        if hasattr(value, "__anext__"):
            return self._iterated(value)
        if asyncio.iscoroutine(value):
            return self._wrapped(asyncio.run_coroutine_threadsafe(value, self._loop).result(120))
        if callable(value) and not isinstance(value, type):
            return lambda *args, **kwargs: self._wrapped(value(*args, **kwargs))
        return value

    def _iterated(self, source: Any) -> Iterator[Any]:
        end = object()

        async def following() -> Any:
            return await anext(source, end)

        while (value := asyncio.run_coroutine_threadsafe(following(), self._loop).result(120)) is not end:
            yield self._wrapped(value)


@contextmanager
def client(kind: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """A client of this kind, "sync" or "async", to be used as a `Client`."""
    if kind == "sync":
        with Client(*args, **kwargs) as blocking:
            yield blocking
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = Waited(AsyncClient(*args, **kwargs), loop)
    try:
        yield made
    finally:
        made.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
