"""A replica's work: runs are claimed while there is room, and each lease is renewed while its run is
worked on. A run whose lease is lost, or that was ended elsewhere, is dropped within a second.

Deliberately not here: the leases themselves (`leases`), and what the work is (`runs`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import structlog

from services.orchestrator.leases import Claim, Leases
from services.orchestrator.metrics import TAKEOVERS, UNDER_WAY
from services.orchestrator.news import News
from services.orchestrator.reaching import JournalAway

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""The longest time between two looks: how late a cancel by another replica is noticed where news are lost."""


class Work(NamedTuple):
    fence: int
    task: asyncio.Task[None]


class Claims:
    """Calls `work` for each claimed run, in a task of its own, at most `at_once` at a time."""

    def __init__(self, leases: Leases, news: News, work: Callable[[Claim], Awaitable[None]], *, at_once: int) -> None:
        self._leases, self._news, self._work, self._at_once = leases, news, work, at_once
        self._under_way: dict[str, Work] = {}
        self._keeping: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to look for runs; once more does nothing."""
        self._keeping = self._keeping or asyncio.create_task(self._keep(), name="leases")

    async def drop(self, run_id: str) -> None:
        """Stop working on the run, if this replica does. On return nothing of it is under way here."""
        if work := self._under_way.get(run_id):
            work.task.cancel()
            await asyncio.wait({work.task})

    async def close(self) -> None:
        """Stop working, with no word in the journal, and let others take the runs up at once."""
        if self._keeping:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await asyncio.gather(*(self.drop(run_id) for run_id in list(self._under_way)))
        try:
            await self._leases.release()
        except JournalAway as error:
            log.warning("the leases are left to run out", reason=error.detail)

    async def _keep(self) -> None:
        pause = min(LOOK_SECONDS, self._leases.seconds / 4)
        while True:
            self._news.work.clear()
            try:
                await self._look()
            except JournalAway as error:
                log.warning("no run can be claimed or held", reason=error.detail)
                await asyncio.sleep(pause)
            except Exception:  # whatever it was, the other runs' leases must not run out over it
                log.exception("looking for runs failed")
                await asyncio.sleep(pause)
            with suppress(TimeoutError):  # then look anyway: leases must be renewed
                async with asyncio.timeout(pause):
                    await self._news.work.wait()

    async def _look(self) -> None:
        held = await self._leases.renew(list(self._under_way))
        for run_id, work in list(self._under_way.items()):
            if held.get(run_id) != work.fence:
                work.task.cancel()
        room = self._at_once - len(self._under_way)
        for claim in await self._leases.claim(room, under_way=list(self._under_way)):
            if claim.lost_by:
                TAKEOVERS.inc()
                log.warning("run taken over", run_id=claim.run_id, lost_by=claim.lost_by, fence=claim.fence)
            self._begin(claim)

    def _begin(self, claim: Claim) -> None:
        task = asyncio.ensure_future(self._work(claim))
        self._under_way[claim.run_id] = Work(claim.fence, task)
        UNDER_WAY.inc()
        task.add_done_callback(lambda done: self._left(claim.run_id, done))

    def _left(self, run_id: str, task: asyncio.Future[None]) -> None:
        if (work := self._under_way.get(run_id)) and work.task is task:  # it may have been taken up anew already
            del self._under_way[run_id]
        UNDER_WAY.dec()
        self._news.work.set()  # there is room
        if not task.cancelled() and (error := task.exception()):
            log.error("run left without an end; it is taken up again", run_id=run_id, exc_info=error)
