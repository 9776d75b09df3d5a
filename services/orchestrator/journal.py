"""The journal: what happened in every run, append-only, and the only truth about it.

An event is committed before `append` returns, and followers are told only then: what anyone has seen survives a
crash. Numbers and times are given inside the transaction, by the database; a replica that lost its lease on the run
writes nothing, and after `Finished` only a wish of the run's caller is taken. What webhooks are to be told, and the
keys of calls that may be repeated, are written in the same transactions. Raises JournalAway (a 503) where the database
does not answer. Deliberately not here: what events mean (`document`), who holds a run (`leases`), and who starts,
cancels or resumes runs (`runs`).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple, Self

from sqlalchemy import ColumnElement, Row, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from interleavethinker.document import Document, fold
from interleavethinker.errors import BadRequest, Conflict, NotFound
from interleavethinker.events import EVENT, Created, Event, Finished, PlanAwaited, Recorded, Status
from interleavethinker.types import InterleaveRequest
from services.orchestrator import outbox
from services.orchestrator.idempotency import Key, claim, lookup
from services.orchestrator.news import News, announce, announce_progress
from services.orchestrator.outbox import Hook, Outbox
from services.orchestrator.reaching import JournalAway, answering
from services.orchestrator.schema import migrate
from services.orchestrator.statuses import FINAL, not_now, status_after, taken_in
from services.orchestrator.tables import EVENTS, RUNS, db_now, open_engine
from services.orchestrator.waiting import leave_room

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


class Begun(NamedTuple):
    """A run that a call has begun, or had begun already when it was made before with the same key."""

    run_id: str
    replayed: bool = False


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
        shared = self.engine.dialect.name == "postgresql"
        self.news = News(shared=shared)
        talking = [self.news.listen(self._url), announce_progress(self.engine, self.news.board)] if shared else []
        self._talking = [asyncio.create_task(each) for each in talking]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        await self.engine.dispose()

    @property
    def outbox(self) -> Outbox:
        """What webhooks are still to be told."""
        return Outbox(self.engine)

    async def ready(self) -> list[str]:
        """What keeps the database from answering; empty when nothing does."""
        try:
            await self._all(select(RUNS.c.id).limit(1))
        except JournalAway as error:
            return [error.detail]
        return []

    async def create(self, request: InterleaveRequest, *, owner: str | None = None) -> str:
        """Begin a run with its `Created` event; its new id."""
        return (await self.begin(request, owner=owner)).run_id

    async def begin(
        self,
        request: InterleaveRequest,
        *,
        owner: str | None = None,
        events: Sequence[Event] = (),
        hooks: Sequence[Hook] = (),
        key: Key | None = None,
        most_waiting: int | None = None,
    ) -> Begun:
        """Begin a run with its `Created` event and the given ones after it. With a key that was used for the same
        request before, the run that was begun then. Raises KeyReused, and QueueFull where as many runs of its owner
        wait as may."""
        run_id, created = f"run_{secrets.token_hex(12)}", Created(request=request)
        said: list[Event] = [created, *events]
        async with self._writing() as db:
            now = _time((await db.execute(select(db_now()))).scalar_one())
            row = {"id": run_id, "owner": owner, "created_at": now, "status": Status.QUEUED, "last_seq": len(said)}
            await db.execute(insert(RUNS).values(**row, request=request.model_dump_json()))
            if key and (earlier := await claim(db, key, run_id)):
                await db.execute(delete(RUNS).where(RUNS.c.id == run_id))
                return Begun(earlier, replayed=True)
            await leave_room(db, owner, most_waiting)
            await outbox.register(db, run_id, hooks)
            recorded = [Recorded(run_id=run_id, seq=seq, at=now, event=event) for seq, event in enumerate(said, 1)]
            await _write(db, recorded)
            await announce(db, run_id, created.type)
        await self.news.tell(run_id, created.type)
        return Begun(run_id)

    async def earlier(self, key: Key) -> Begun | None:
        """The run of an earlier call with this key, None when there was none. Raises KeyReused."""
        with answering():
            async with self.engine.connect() as db:
                found = await lookup(db, key)
        return Begun(found, replayed=True) if found else None

    async def append(self, run_id: str, event: Event, *, fence: int | None = None) -> Recorded:
        """Commit an event, then wake the run's followers. `fence`: of the claim that the event comes from.

        Raises NotFound for an unknown run, Conflict for one that has finished, LeaseLost for an old fence.
        """
        where: ColumnElement[bool] = RUNS.c.status.not_in(FINAL)
        if fence is not None:
            where &= RUNS.c.fence == fence
        async with self._writing() as db:
            told = await _append(db, run_id, [event], where)
            if not told:
                raise _refusal(run_id, await _found(db, run_id), fence)
        await self.news.tell(run_id, event.type)
        return told[0]

    async def wish(self, run_id: str, wishes: Sequence[Event], *, key: Key | None = None) -> Begun:
        """Commit what the run's caller wishes of it, all or nothing, then wake who is to know.

        Raises NotFound for an unknown run, Conflict for one whose state does not allow it, KeyReused.
        """
        async with self._writing() as db:
            if (found := await _found(db, run_id)) is None:
                raise _unknown(run_id)
        async with self._writing() as db:
            if key and await claim(db, key, run_id):
                return Begun(run_id, replayed=True)
            if not await _append(db, run_id, wishes, RUNS.c.status.in_(taken_in(wishes[0]))):
                raise Conflict(not_now(run_id, wishes[0], found.status))
        for wish in wishes:
            await self.news.tell(run_id, wish.type)
        return Begun(run_id)

    async def events(self, run_id: str, *, after: int = 0) -> list[Recorded]:
        """The run's events with a `seq` above `after`. Raises NotFound for an unknown run."""
        found = await self._events(run_id, after)
        if not found and not await self._all(select(RUNS.c.id).where(RUNS.c.id == run_id)):
            raise _unknown(run_id)
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
        raise _unknown(run_id)

    async def owner(self, run_id: str) -> str | None:
        """Whose run it is; None where there are no tenants. Raises NotFound."""
        for row in await self._all(select(RUNS.c.owner).where(RUNS.c.id == run_id)):
            return row.owner
        raise _unknown(run_id)

    async def runs(
        self,
        *,
        owner: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
        statuses: Collection[Status] = (),
    ) -> Page:
        """A page of an owner's runs (None: of those that have none), newest first; with `statuses` only those. Raises
        BadRequest for a cursor that no page gave."""
        query = select(RUNS).where(RUNS.c.owner.is_not_distinct_from(owner))
        query = query.order_by(RUNS.c.number.desc()).limit(limit + 1)
        if statuses:
            query = query.where(RUNS.c.status.in_(sorted(statuses)))
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


async def _append(
    db: AsyncConnection, run_id: str, events: Sequence[Event], where: ColumnElement[bool]
) -> list[Recorded]:
    """The events, numbered and written, and those told who are to know; none where the run is not as `where` says."""
    statuses = [status for event in events if (status := status_after(event))]
    changes: dict[str, object] = {"last_seq": RUNS.c.last_seq + len(events)}
    if statuses:
        changes |= {"status": statuses[-1]}
    if any(isinstance(event, Finished | PlanAwaited) for event in events):
        changes |= {"lease_holder": None, "lease_until": None}
    # The update comes first: it locks the run, so that no other writer can be given the same number.
    number_them = update(RUNS).where(RUNS.c.id == run_id, where).values(changes).returning(RUNS.c.last_seq, db_now())
    numbered = (await db.execute(number_them)).one_or_none()
    if numbered is None:
        return []
    first, at = numbered[0] - len(events) + 1, _time(numbered[1])
    recorded = [Recorded(run_id=run_id, seq=seq, at=at, event=event) for seq, event in enumerate(events, first)]
    await _write(db, recorded)
    for kind in {event.type for event in events}:
        await announce(db, run_id, kind)
    return recorded


async def _found(db: AsyncConnection, run_id: str) -> Row | None:
    return (await db.execute(select(RUNS.c.status, RUNS.c.fence).where(RUNS.c.id == run_id))).one_or_none()


async def _write(db: AsyncConnection, recorded: Sequence[Recorded]) -> None:
    """Events of one run, and what webhooks are to be told of them."""
    await db.execute(insert(EVENTS), [_row(each) for each in recorded])
    await outbox.post(db, recorded)


def _row(recorded: Recorded) -> dict[str, object]:
    event = recorded.event
    return recorded.model_dump(include={"run_id", "seq", "at"}) | {"type": event.type, "body": event.model_dump_json()}


def _summary(row: Row) -> RunSummary:
    request = InterleaveRequest.model_validate_json(row.request)
    return RunSummary(row.id, Status(row.status), row.created_at, request, row.owner)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _refusal(run_id: str, found: Row | None, fence: int | None) -> NotFound | Conflict:
    """Why the run did not take an event."""
    if found is None:
        return _unknown(run_id)
    if Status(found.status).final:
        return Conflict(f"run {run_id} has finished ({found.status})")
    return LeaseLost(f"run {run_id} is worked on by another replica (fence {found.fence}, not {fence})")


def _unknown(run_id: str) -> NotFound:
    return NotFound(f"there is no run {run_id!r}")
