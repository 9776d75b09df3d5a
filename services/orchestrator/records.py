"""What can be read of the journal: runs, their events and documents, pages of runs, and events as they come.

Opened as the whole `Journal`, which adds the writing. Raises JournalAway (a 503) where the database does not answer.
Deliberately not here: writing (`journal`), and what events mean (`document`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Self

from sqlalchemy import Row, Select, select

from interleavethinker.document import Document, fold
from interleavethinker.errors import BadRequest, NotFound
from interleavethinker.events import EVENT, Finished, Recorded, Status
from interleavethinker.types import InterleaveRequest
from services.orchestrator.news import News, announce_progress
from services.orchestrator.reaching import JournalAway, answering
from services.orchestrator.schema import migrate
from services.orchestrator.tables import EVENTS, RUNS, open_engine

POLL_SECONDS = 1.0
"""How often a follower looks by itself: for events that another process wrote and no news told of (SQLite has none, and
a connection may be cut)."""


class RunSummary(NamedTuple):
    """A run as the list shows it; `cover` is a picture's digest."""

    id: str
    status: Status
    created_at: datetime
    request: InterleaveRequest
    owner: str | None = None
    title: str = ""
    steps: int = 0
    cover: str | None = None


class Page(NamedTuple):
    """Some runs, newest first, and the cursor of the next page (None: no more)."""

    runs: list[RunSummary]
    cursor: str | None


class Records:
    """Runs and their events in one database. Use as an async context manager; its tables are made, or brought up to
    date, on entering."""

    def __init__(self, url: str, *, poll: float = POLL_SECONDS) -> None:
        self._url, self.engine = url, open_engine(url)
        self._poll = poll

    async def __aenter__(self) -> Self:
        await migrate(self._url)
        shared = self.engine.dialect.name == "postgresql"
        self.news = News(shared=shared)
        talking = [self.news.listen(self._url), announce_progress(self.engine, self.news.board)] if shared else []
        self._talking = [asyncio.create_task(each) for each in talking]
        return self

    async def __aexit__(self, *_: object) -> None:
        talking: set[asyncio.Task[None]] = set(self._talking)
        while talking:  # a driver may lose a cancel that comes together with an answer or a time-out
            for task in talking:
                task.cancel()
            talking = (await asyncio.wait(talking, timeout=1))[1]
        await self.engine.dispose()

    async def ready(self) -> list[str]:
        """What keeps the database from answering; empty when nothing does."""
        try:
            await self._all(select(RUNS.c.id).limit(1))
        except JournalAway as error:
            return [error.detail]
        return []

    async def events(self, run_id: str, *, after: int = 0) -> list[Recorded]:
        """The run's events with a `seq` above `after`. Raises NotFound for an unknown run."""
        found = await self._events(run_id, after)
        if not found and not await self._all(select(RUNS.c.id).where(RUNS.c.id == run_id)):
            raise unknown(run_id)
        return found

    async def document(self, run_id: str) -> Document:
        """The run's document as it stands. Raises NotFound."""
        return fold(await self.events(run_id))

    async def follow(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """The run's events above `after`, then each new one as it is committed; ends with the last one of a run that is
        at its end."""
        news = self.news.of(run_id)
        while True:
            async with news:  # held while looking, so that no wake-up can fall between looking and waiting
                final = (await self.run(run_id)).status.final
                events = await self._events(run_id, after)  # that there is such a run was just seen
                if not events:
                    if final:
                        return
                    await _wait(news, self._poll)
            for recorded in events:
                yield recorded
                after = recorded.seq
            if final and events and isinstance(events[-1].event, Finished):
                return  # and one that ends with a wish of its caller, at the next look

    async def run(self, run_id: str) -> RunSummary:
        """Raises NotFound."""
        for row in await self._all(select(RUNS).where(RUNS.c.id == run_id)):
            return _summary(row)
        raise unknown(run_id)

    async def stands(self, run_id: str) -> bool:
        """Whether a step of the run was ever finished. Looks at no event's content."""
        finished = select(EVENTS.c.seq).where(EVENTS.c.run_id == run_id, EVENTS.c.type == "step_finished")
        return bool(await self._all(finished.limit(1)))

    async def owner(self, run_id: str) -> str | None:
        """Whose run it is; None where there are no tenants. Raises NotFound."""
        for row in await self._all(select(RUNS.c.owner).where(RUNS.c.id == run_id)):
            return row.owner
        raise unknown(run_id)

    async def runs(
        self,
        *,
        owner: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
        statuses: Collection[Status] = (),
        search: str | None = None,
    ) -> Page:
        """A page of an owner's runs (None: of those that have none), newest first; with `statuses` only those, with
        `search` only those that have it in their prompt or a step's name. Raises BadRequest for a cursor that no page
        gave."""
        query = select(RUNS).where(RUNS.c.owner.is_not_distinct_from(owner))
        query = query.order_by(RUNS.c.number.desc()).limit(limit + 1)
        if statuses:
            query = query.where(RUNS.c.status.in_(sorted(statuses)))
        if wanted := " ".join((search or "").replace("\0", " ").split()):
            query = query.where(RUNS.c.words.contains(wanted.casefold(), autoescape=True))
        if cursor is not None:
            if not re.fullmatch(r"[0-9]{1,18}", cursor):
                raise BadRequest(f"cursor {cursor[:40]!r} is none of ours: use the `next` of the page before")
            query = query.where(RUNS.c.number < int(cursor))
        rows = await self._all(query)
        more = len(rows) > limit
        return Page([_summary(row) for row in rows[:limit]], str(rows[limit - 1].number) if more else None)

    async def _events(self, run_id: str, after: int) -> list[Recorded]:
        query = select(EVENTS).where(EVENTS.c.run_id == run_id, EVENTS.c.seq > after).order_by(EVENTS.c.seq)
        rows = await self._all(query)
        return [Recorded(run_id=run_id, seq=row.seq, at=row.at, event=EVENT.validate_json(row.body)) for row in rows]

    async def _all(self, query: Select) -> Sequence[Row]:
        with answering():
            async with self.engine.connect() as db:
                return (await db.execute(query)).all()


async def _wait(news: asyncio.Condition, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        pass  # then look anyway


def _summary(row: Row) -> RunSummary:
    request = InterleaveRequest.model_validate_json(row.request)
    return RunSummary(row.id, Status(row.status), row.created_at, request, row.owner, row.title, row.steps, row.cover)


def unknown(run_id: str) -> NotFound:
    return NotFound(f"there is no run {run_id!r}")
