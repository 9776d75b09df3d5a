"""How a command ends: its exit code, an error as one line, and signals, which cancel what is under way."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interleavethinker.errors import InterleaveError
    from interleavethinker.events import Status

OK, FAILED, USAGE, CUT_SHORT, UNREACHED = 0, 1, 2, 3, 4
CANCELED = 128 + signal.SIGINT
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending() -> Iterator[None]:
    """Signals end the block by SystemExit; every error that has words of ours is one line of them, and a code."""
    for each in SIGNALS:
        signal.signal(each, _leave)
    try:
        yield
    except Exception as error:
        from interleavethinker.errors import InterleaveError, Unavailable

        if not isinstance(error, InterleaveError):
            raise
        complain(error)
        sys.exit(UNREACHED if isinstance(error, Unavailable) else FAILED)


@contextmanager
def held() -> Iterator[None]:
    """A signal within the block takes effect at its end, so that what is asked for in it is known; a second one at
    once."""
    came: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        if came:
            _leave(number, frame)
        came.append(number)

    before = {each: signal.signal(each, keep) for each in SIGNALS}
    try:
        yield
    finally:
        for each, what in before.items():
            signal.signal(each, what)
    if came:
        sys.exit(128 + came[0])


def code_of(status: Status) -> int:
    """The exit code for a run that ended so."""
    return {"succeeded": OK, "partial": CUT_SHORT, "canceled": CANCELED}.get(status, FAILED)


def complain(error: InterleaveError) -> None:
    from rich.console import Console
    from rich.markup import escape

    errors = Console(stderr=True)
    errors.print(f"[bold red]error[/] {escape(' '.join(error.detail.split()))}", highlight=False, soft_wrap=True)
    last = error.extra.get("last")
    for line in last if isinstance(last, list) else []:
        errors.print(f"  {escape(str(line)[:500])}", style="dim", highlight=False, soft_wrap=True)
    if log := error.extra.get("log"):
        errors.print(f"  the whole log: {log}", highlight=False, soft_wrap=True)


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
