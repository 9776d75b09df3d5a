"""Encoding, storing and ending of drawn pictures beside the drawing thread, so that the device begins the next job
meanwhile.

The job's lease is held until then: a worker that dies with a picture in hand has lost it like one that dies drawing.
At most `ROOM` pictures are finished at a time; a drawing thread that is faster waits. Deliberately not here: what
finishing is (`worker`).
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Self

import structlog

log = structlog.get_logger(__name__)

ROOM = 2


class Finishing:
    """Use as a context manager: on leaving, what was handed over is finished."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = BoundedSemaphore(room)
        self._threads = ThreadPoolExecutor(room, thread_name_prefix="finishing")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True)

    def hand_over(self, finish: Callable[[], None]) -> None:
        """Have it done elsewhere, with this thread's context; waits while there is no room."""
        self._room.acquire()
        context = contextvars.copy_context()
        try:
            self._threads.submit(self._finish, context, finish)
        except RuntimeError:  # nothing is taken any more: then here and now
            self._finish(context, finish)

    def _finish(self, context: contextvars.Context, finish: Callable[[], None]) -> None:
        try:
            context.run(finish)
        except Exception:  # the lease runs out, and the job is drawn again
            log.exception("a picture was not finished")
        finally:
            self._room.release()
