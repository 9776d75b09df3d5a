"""A run on the screen while it happens: in a terminal a table that grows and changes, elsewhere plain lines.

What the events mean is `document`'s affair, and the plain lines are `live`'s; `board` draws the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding

from interleavethinker.cli.board import Board
from interleavethinker.client import Progress
from interleavethinker.document import fold
from interleavethinker.events import Recorded, StepFinished
from interleavethinker.live import Telling, thumbnail


class Display(Protocol):
    def recall(self, past: Sequence[Recorded]) -> None:
        """Events of before: known, not told."""

    def tell(self, recorded: Recorded) -> None:
        """The next event."""

    def progress(self, told: Progress) -> None:
        """What is no event yet."""

    def paused(self) -> AbstractContextManager[None]:
        """The screen is free within the block."""


@contextmanager
def display(console: Console, run_id: str, picture: Callable[[str], bytes]) -> Iterator[Display]:
    """`picture` fetches an encoded picture by its digest."""
    if not console.is_terminal or console.quiet:
        yield Lines(console, run_id, picture)
        return
    board = Board(run_id)
    with Live(board, console=console, refresh_per_second=8, vertical_overflow="ellipsis") as live:
        table = Table(console, board, live, picture)
        yield table
        live.vertical_overflow = "visible"
        board.at_rest = True


class Lines:
    """One or two lines an event."""

    def __init__(self, console: Console, run_id: str, picture: Callable[[str], bytes]) -> None:
        console.print(f"[dim]{run_id}[/]")
        self._telling = Telling(console, picture)

    def recall(self, past: Sequence[Recorded]) -> None:
        for recorded in past:
            self._telling.recall(recorded)

    def tell(self, recorded: Recorded) -> None:
        self._telling.tell(recorded)

    def progress(self, told: Progress) -> None:
        pass

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()


class Table:
    """The whole run at a glance; above it each step's picture as it is settled, where the terminal has the colours."""

    def __init__(self, console: Console, board: Board, live: Live, picture: Callable[[str], bytes]) -> None:
        self._console, self._board, self._live, self._picture = console, board, live, picture
        self._events: list[Recorded] = []

    def recall(self, past: Sequence[Recorded]) -> None:
        self._events += past
        self._look()

    def tell(self, recorded: Recorded) -> None:
        self._events.append(recorded)
        self._look()
        if isinstance(recorded.event, StepFinished) and self._console.color_system == "truecolor":
            self._show(recorded.event.step)

    def progress(self, told: Progress) -> None:
        self._board.told = told

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._live.stop()
        yield
        self._live.start(refresh=True)

    def _look(self) -> None:
        if self._events:
            self._board.see(fold(self._events), self._events[-1].event)

    def _show(self, number: int) -> None:
        document = fold(self._events)
        step = next(each for each in document.steps if each.step.index == number)
        if step.image:
            self._console.print(f"[bold]{number}. {escape(step.step.name)}[/]")
            self._console.print(Padding(thumbnail(self._picture(step.image.digest)), (0, 0, 1, 3)))
