"""What a follower of a run is told: its events, and between them, unnumbered, how the drawing under way comes along.

The events are the journal's and are all told. Progress is a side channel: it is told at most so often, only when it
changed, only of what the follower has heard of and what is not drawn yet, and where it cannot be had the events go on.
Deliberately not here: how both look as server-sent events (`stream`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Literal

from pydantic import BaseModel, Field

from interleavethinker.events import Recorded, Status
from services.orchestrator.board import Board
from services.orchestrator.journal import Journal
from services.orchestrator.pace import Pace, RunProgress
from services.orchestrator.reaching import JournalAway
from services.orchestrator.waiting import Place, Waiting, positions, waiting

TELLING_SECONDS = 0.2
"""Between two words of progress to one follower."""
LOOK_SECONDS = 2.0
"""How old the place of a waiting run may be. All followers of a replica share one look."""

PreviewUrl = Callable[[int, int, int], str]
"""Where the preview of an attempt is: (step, number, how many were made of it so far)."""


class Waited(BaseModel):
    """What a run waits for: its `turn` among the runs, or a `worker` that draws for it."""

    what: Literal["turn", "worker"]
    ahead: int = Field(description="how many come before it")
    starts_in_seconds: float | None = Field(default=None, description="an estimate; null where nothing is known")


class ProgressEvent(BaseModel):
    """`data` of an event `progress`."""

    step: int | None = Field(description="the step that is drawn; null while the run waits for its turn")
    number: int | None = Field(description="the attempt at it, from 1")
    done: int = Field(description="denoising steps, `of` all; 0 of 0 while nothing is known")
    of: int
    preview: str | None = Field(description="where the latest preview is; another URL for each")
    waiting: Waited | None
    run: RunProgress


class Turns:
    """The queue of runs as all followers of this replica see it: looked at once in a while, however many they are."""

    def __init__(self, journal: Journal, at_once: int) -> None:
        self._journal, self._at_once = journal, at_once
        self._looked, self._seen = 0.0, Waiting((), (), 0, 0, ())
        self._looking = asyncio.Lock()

    async def place(self, run_id: str) -> Place | None:
        """None for a run that does not wait. Raises JournalAway."""
        async with self._looking:
            if time.monotonic() - self._looked > LOOK_SECONDS / 2:
                self._seen = await waiting(self._journal.engine)
                self._looked = time.monotonic()
        return positions(self._seen, [run_id], self._at_once).get(run_id)


class Following:
    """One follower of one run. Take `events` and `progress` side by side; progress knows what events have told."""

    def __init__(self, journal: Journal, board: Board, turns: Turns, run_id: str, preview_url: PreviewUrl) -> None:
        self._journal, self._board, self._turns = journal, board, turns
        self._run_id, self._preview_url = run_id, preview_url
        self._pace = Pace()
        self._news: asyncio.Event | None = None

    async def events(self, after: int) -> AsyncGenerator[Recorded, None]:
        """Those above number `after`, as `Journal.follow` gives them; the earlier ones are read too."""
        async with aclosing(self._journal.follow(self._run_id)) as events:
            async for recorded in events:
                self._pace.observe(recorded)
                if self._news:
                    self._news.set()
                if recorded.seq > after:
                    yield recorded

    async def progress(self) -> AsyncGenerator[ProgressEvent, None]:
        """How it comes along, until nobody wants to know any more."""
        told: ProgressEvent | None = None
        with self._board.following(self._run_id) as self._news:
            while True:
                await asyncio.sleep(
                    TELLING_SECONDS
                )  # also at first: what begins at once, or has ended, waits for nothing
                self._news.clear()
                now = await self._now()
                if now and (told is None or now.model_copy(update={"run": told.run}) != told):
                    yield (told := now)
                try:
                    async with asyncio.timeout(LOOK_SECONDS if self._pace.status is Status.QUEUED else None):
                        await self._news.wait()
                except TimeoutError:
                    pass  # places change without a word

    async def _now(self) -> ProgressEvent | None:
        pace, showing = self._pace, self._board.of(self._run_id)
        waits: Waited | None = None
        if pace.status is Status.QUEUED:
            if (place := await self._place()) is None:
                return None
            waits = Waited(what="turn", ahead=place.position - 1, starts_in_seconds=place.starts_in)
            nothing = {"step": None, "number": None, "done": 0, "of": 0, "preview": None}
            return ProgressEvent.model_validate(nothing | {"waiting": waits, "run": pace.progress()})
        if pace.status is not Status.PROCESSING or showing is None:
            return None
        step, number, seen = showing.step, showing.number, showing.previews
        if step not in pace.steps or (step, number) in pace.drawn:
            return None
        if showing.ahead is not None:
            waits = Waited(what="worker", ahead=showing.ahead)
        return ProgressEvent(
            step=step,
            number=number,
            done=showing.done,
            of=showing.of,
            preview=self._preview_url(step, number, seen) if seen else None,
            waiting=waits,
            run=pace.progress(),
        )

    async def _place(self) -> Place | None:
        try:
            return await self._turns.place(self._run_id)
        except JournalAway:
            return None
