"""The journal: what happened in every run, append-only, and the only truth about it.

An event is committed before `append` returns, and followers are told only then: what anyone has seen survives a
crash. Numbers and times are given inside the transaction, by the database; a replica that lost its lease on the run
writes nothing, and after `Finished` only `Resumed` is taken. Raises JournalAway (a 503) where the database does not
answer. Deliberately not here: what events mean (`document`), who holds a run (`leases`), and who starts, cancels or
resumes runs (`runs`).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple, Self

from sqlalchemy import ColumnElement, Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from interleavethinker import http
from interleavethinker.document import Document, fold
from interleavethinker.errors import BadRequest, Conflict, NotFound
from interleavethinker.events import EVENT, Created, Event, Finished, Recorded, Resumed, Started, Status
from interleavethinker.types import Budget, InterleaveRequest
from services.orchestrator.news import News, announce
from services.orchestrator.reaching import JournalAway, answering
from services.orchestrator.schema import migrate
from services.orchestrator.tables import EVENTS, RUNS, db_now, open_engine

POLL_SECONDS = 1.0
"""How often a follower looks by itself: for events that another process wrote and no news told of (SQLite has none, and
a connection may be cut)."""


class LeaseLost(Conflict):
    """Another replica works on the run by now; nothing of this one's is taken any more."""

    code = "lease_lost"


class RunSummary(NamedTuple):
    """A run as the list shows it."""

    id: str
    status: Status
    created_at: datetime
    request: InterleaveRequest
    owner: str | None = None


class Page(NamedTuple):
    """Some runs, newest first, and the cursor of the next page (None: no more)."""

    runs: list[RunSummary]
    cursor: str | None


class Journal:
    """Runs and their events in one database. Use as an async context manager; its tables are made, or brought up to
    date, on entering."""

    def __init__(self, url: str, *, poll: float = POLL_SECONDS) -> None:
        self._url, self.engine = url, open_engine(url)
        self._poll = poll

    async def __aenter__(self) -> Self:
        await migrate(self._url)
        self.news = News()
        hearing = self.engine.dialect.name == "postgresql"
        self._hearing = asyncio.create_task(self.news.listen(self._url)) if hearing else None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._hearing:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
        await self.engine.dispose()

    async def ready(self) -> list[str]:
        """What keeps the database from answering; empty when nothing does."""
        try:
            await self._all(select(RUNS.c.id).limit(1))
        except JournalAway as error:
            return [error.detail]
        return []

    async def create(self, request: InterleaveRequest, *, owner: str | None = None) -> str:
        """Begin a run with its `Created` event; its new id. The owner is the tenant whom this is done for, if no other
        is named."""
        owner = owner or http.tenant.get()
        run_id = f"run_{secrets.token_hex(12)}"
        async with self._writing() as db:
            now = _time((await db.execute(select(db_now()))).scalar_one())
            row = {"id": run_id, "owner": owner, "created_at": now, "status": Status.QUEUED, "last_seq": 1}
            await db.execute(insert(RUNS).values(**row, request=request.model_dump_json()))
            created = Recorded(run_id=run_id, seq=1, at=now, event=Created(request=request))
            await db.execute(insert(EVENTS).values(_row(created)))
            await announce(db, run_id, created.event.type)
        await self.news.tell(run_id, created.event.type)
        return run_id

    async def append(self, run_id: str, event: Event, *, fence: int | None = None) -> Recorded:
        """Commit an event, then wake the run's followers. `fence`: of the claim that the event comes from.

        Raises NotFound for an unknown run, Conflict for one that has finished, LeaseLost for an old fence.
        """
        where: ColumnElement[bool] = RUNS.c.status.not_in([status for status in Status if status.final])
        if fence is not None:
            where &= RUNS.c.fence == fence
        return await self._append(run_id, event, where, fence)

    async def resume(self, run_id: str, budget: Budget | None = None) -> Recorded:
        """Put a run that was cut short back into the queue, with its `Resumed` event.

        Raises NotFound for an unknown run, Conflict for one that is neither `partial` nor `failed`.
        """
        return await self._append(run_id, Resumed(budget=budget), RUNS.c.status.in_([Status.PARTIAL, Status.FAILED]))

    async def _append(
        self, run_id: str, event: Event, where: ColumnElement[bool], fence: int | None = None
    ) -> Recorded:
        changes: dict[str, object] = {"last_seq": RUNS.c.last_seq + 1, "status": _status_after(event) or RUNS.c.status}
        if isinstance(event, Finished):
            changes |= {"lease_holder": None, "lease_until": None}
        number_it = update(RUNS).where(RUNS.c.id == run_id, where).values(changes).returning(RUNS.c.last_seq, db_now())
        async with self._writing() as db:
            # The update comes first: it locks the run, so that no other writer can be given the same number.
            numbered = (await db.execute(number_it)).one_or_none()
            if numbered is None:
                query = select(RUNS.c.status, RUNS.c.fence).where(RUNS.c.id == run_id)
                raise _refusal(run_id, (await db.execute(query)).one_or_none(), fence)
            recorded = Recorded(run_id=run_id, seq=numbered[0], at=_time(numbered[1]), event=event)
            await db.execute(insert(EVENTS).values(_row(recorded)))
            await announce(db, run_id, event.type)
        await self.news.tell(run_id, event.type)
        return recorded

    async def events(self, run_id: str, *, after: int = 0) -> list[Recorded]:
        """The run's events with a `seq` above `after`. Raises NotFound for an unknown run."""
        query = select(EVENTS).where(EVENTS.c.run_id == run_id, EVENTS.c.seq > after).order_by(EVENTS.c.seq)
        rows = await self._all(query)
        if not rows and not await self._all(select(RUNS.c.id).where(RUNS.c.id == run_id)):
            raise _unknown(run_id)
        return [Recorded(run_id=run_id, seq=row.seq, at=row.at, event=EVENT.validate_json(row.body)) for row in rows]

    async def document(self, run_id: str) -> Document:
        """The run's document as it stands. Raises NotFound."""
        return fold(await self.events(run_id))

    async def follow(self, run_id: str, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """The run's events above `after`, then each new one as it is committed; ends after `Finished`, unless the run
        was resumed since."""
        news = self.news.of(run_id)
        while True:
            async with news:  # held while looking, so that no wake-up can fall between looking and waiting
                final = (await self.run(run_id)).status.final
                events = await self.events(run_id, after=after)
                if not events:
                    if final:
                        return
                    await _wait(news, self._poll)
            for recorded in events:
                yield recorded
                after = recorded.seq
            if final and events and isinstance(events[-1].event, Finished):
                return

    async def run(self, run_id: str) -> RunSummary:
        """Raises NotFound."""
        for row in await self._all(select(RUNS).where(RUNS.c.id == run_id)):
            return _summary(row)
        raise _unknown(run_id)

    async def owner(self, run_id: str) -> str | None:
        """Whose run it is; None where there are no tenants. Raises NotFound."""
        for row in await self._all(select(RUNS.c.owner).where(RUNS.c.id == run_id)):
            return row.owner
        raise _unknown(run_id)

    async def runs(self, *, owner: str | None = None, limit: int = 20, cursor: str | None = None) -> Page:
        """A page of an owner's runs, newest first. Raises BadRequest for a cursor that no page gave."""
        query = select(RUNS).where(RUNS.c.owner.is_not_distinct_from(owner))
        query = query.order_by(RUNS.c.number.desc()).limit(limit + 1)
        if cursor is not None:
            if not re.fullmatch(r"[0-9]{1,18}", cursor):
                raise BadRequest(f"cursor {cursor[:40]!r} is none of ours: use the `next` of the page before")
            query = query.where(RUNS.c.number < int(cursor))
        rows = await self._all(query)
        more = len(rows) > limit
        return Page([_summary(row) for row in rows[:limit]], str(rows[limit - 1].number) if more else None)

    async def _all(self, query: Select) -> Sequence[Row]:
        with answering():
            async with self.engine.connect() as db:
                return (await db.execute(query)).all()

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        with answering():
            async with self.engine.begin() as db:
                yield db


async def _wait(news: asyncio.Condition, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        pass  # then look anyway


def _row(recorded: Recorded) -> dict[str, object]:
    event = recorded.event
    return recorded.model_dump(include={"run_id", "seq", "at"}) | {"type": event.type, "body": event.model_dump_json()}


def _summary(row: Row) -> RunSummary:
    request = InterleaveRequest.model_validate_json(row.request)
    return RunSummary(row.id, Status(row.status), row.created_at, request, row.owner)


def _status_after(event: Event) -> Status | None:
    """The status an event brings about; None leaves it as it is."""
    match event:
        case Started():
            return Status.PROCESSING
        case Resumed():
            return Status.QUEUED
        case Finished(status=status):
            return status
    return None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _refusal(run_id: str, found: Row | None, fence: int | None) -> NotFound | Conflict:
    """Why the run did not take an event."""
    if found is None:
        return _unknown(run_id)
    if Status(found.status).final:
        return Conflict(f"run {run_id} has finished ({found.status})")
    if fence is None:
        return Conflict(f"run {run_id} has not finished ({found.status}); only a run that was cut short is resumed")
    return LeaseLost(f"run {run_id} is worked on by another replica (fence {found.fence}, not {fence})")


def _unknown(run_id: str) -> NotFound:
    return NotFound(f"there is no run {run_id!r}")
