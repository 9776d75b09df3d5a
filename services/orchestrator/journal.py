"""The journal: what happened in every run, append-only, and the only truth about it.

An event is committed before `append` returns, and followers are told only then: what anyone has seen survives a
crash. Two writers on one run cannot both go on: numbers are given inside the transaction, and nothing is taken after
`Finished` but a wish of the run's caller. What webhooks are to be told, and the keys of calls that may be repeated,
are written in the same transactions. Deliberately not here: what events mean (`document`), and who starts, cancels or
resumes runs (`runs`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Self
from weakref import WeakValueDictionary

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from interleavethinker.document import Document, fold
from interleavethinker.errors import BadRequest, Conflict, NotFound
from interleavethinker.events import EVENT, Created, Event, Recorded, Status
from interleavethinker.types import InterleaveRequest
from services.orchestrator import outbox
from services.orchestrator.idempotency import Key, claim, lookup
from services.orchestrator.schema import migrate
from services.orchestrator.statuses import FINAL, not_now, status_after, taken_in
from services.orchestrator.tables import EVENTS, RUNS, open_engine

POLL_SECONDS = 1.0
"""How often a follower looks by itself: only for events that another process wrote; those of this one wake it at
once."""


class RunSummary(NamedTuple):
    """A run as the list shows it."""

    id: str
    status: Status
    created_at: datetime
    request: InterleaveRequest


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
        self._url, self._engine = url, open_engine(url)
        self._poll = poll
        self._news: WeakValueDictionary[str, asyncio.Condition] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        await migrate(self._url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()

    @property
    def outbox(self) -> outbox.Outbox:
        """What webhooks are still to be told."""
        return outbox.Outbox(self._engine)

    async def ready(self) -> list[str]:
        """What keeps the database from answering; empty when nothing does."""
        try:
            await self._all(select(RUNS.c.id).limit(1))
        except SQLAlchemyError as error:
            return [f"the database does not answer ({type(error).__name__})"]
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
        hooks: Sequence[outbox.Hook] = (),
        key: Key | None = None,
    ) -> Begun:
        """Begin a run with its `Created` event and the given ones after it. With a key that was used for the same
        request before, the run that was begun then. Raises KeyReused."""
        run_id, now = f"run_{secrets.token_hex(12)}", datetime.now(UTC)
        said: list[Event] = [Created(request=request), *events]
        recorded = [Recorded(run_id=run_id, seq=seq, at=now, event=event) for seq, event in enumerate(said, 1)]
        async with self._engine.connect() as db:
            row = {"id": run_id, "owner": owner, "created_at": now, "status": Status.QUEUED, "last_seq": len(said)}
            await db.execute(insert(RUNS).values(**row, request=request.model_dump_json()))
            if key and (earlier := await claim(db, key, run_id)):
                return Begun(earlier, replayed=True)  # and nothing of this transaction stays
            await outbox.register(db, run_id, hooks)
            await _write(db, recorded)
            await db.commit()
        return Begun(run_id)

    async def earlier(self, key: Key) -> Begun | None:
        """The run of an earlier call with this key, None when there was none. Raises KeyReused."""
        async with self._engine.connect() as db:
            found = await lookup(db, key)
        return Begun(found, replayed=True) if found else None

    async def wish(self, run_id: str, wishes: Sequence[Event], *, key: Key | None = None) -> Begun:
        """Commit what the run's caller wishes of it, all or nothing, then wake its followers.

        Raises NotFound for an unknown run, Conflict for one whose state does not allow it, KeyReused.
        """
        statuses = [status for wish in wishes if (status := status_after(wish))]
        number_them = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.status.in_(sorted(taken_in(wishes[0]))))
            .values(last_seq=RUNS.c.last_seq + len(wishes), status=statuses[-1] if statuses else RUNS.c.status)
            .returning(RUNS.c.last_seq)
        )
        async with self._engine.begin() as db:
            found = (await db.execute(select(RUNS.c.status).where(RUNS.c.id == run_id))).scalar()
            if found is None:
                raise _unknown(run_id)
        async with self._engine.begin() as db:
            if key and await claim(db, key, run_id):
                return Begun(run_id, replayed=True)
            last = (await db.execute(number_them)).scalar()
            if last is None:
                raise Conflict(not_now(run_id, wishes[0], found))
            first, now = last - len(wishes) + 1, datetime.now(UTC)
            told = [Recorded(run_id=run_id, seq=seq, at=now, event=wish) for seq, wish in enumerate(wishes, first)]
            await _write(db, told)
        await self._wake(run_id)
        return Begun(run_id)

    async def append(self, run_id: str, event: Event) -> Recorded:
        """Commit an event, then wake the run's followers.

        Raises NotFound for an unknown run, Conflict for one that has finished.
        """
        number_it = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.status.not_in(FINAL))
            .values(last_seq=RUNS.c.last_seq + 1, status=status_after(event) or RUNS.c.status)
            .returning(RUNS.c.last_seq)
        )
        async with self._engine.begin() as db:
            # The update comes first: it locks the run, so that no other writer can be given the same number.
            seq = (await db.execute(number_it)).scalar()
            if seq is None:
                found = (await db.execute(select(RUNS.c.status).where(RUNS.c.id == run_id))).scalar()
                raise _unknown(run_id) if found is None else Conflict(f"run {run_id} has finished ({found})")
            recorded = Recorded(run_id=run_id, seq=seq, at=datetime.now(UTC), event=event)
            await _write(db, [recorded])
        await self._wake(run_id)
        return recorded

    async def _wake(self, run_id: str) -> None:
        if news := self._news.get(run_id):
            async with news:
                news.notify_all()

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
        """The run's events above `after`, then each new one as it is committed; ends with the last one of a run that is
        at its end."""
        news = self._news.setdefault(run_id, asyncio.Condition())
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

    async def run(self, run_id: str) -> RunSummary:
        """Raises NotFound."""
        for row in await self._all(select(RUNS).where(RUNS.c.id == run_id)):
            return _summary(row)
        raise _unknown(run_id)

    async def runs(self, *, limit: int = 20, cursor: str | None = None) -> Page:
        """A page of all runs, newest first. Raises BadRequest for a cursor that no page gave."""
        query = select(RUNS).order_by(RUNS.c.number.desc()).limit(limit + 1)
        if cursor is not None:
            if not cursor.isdecimal():
                raise BadRequest(f"cursor {cursor[:40]!r} is none of ours: use the `next` of the page before")
            query = query.where(RUNS.c.number < int(cursor))
        rows = await self._all(query)
        more = len(rows) > limit
        return Page([_summary(row) for row in rows[:limit]], str(rows[limit - 1].number) if more else None)

    async def unfinished(self) -> list[str]:
        """The ids of the runs with work to be done, oldest first."""
        open_ones = RUNS.c.status.in_([Status.QUEUED, Status.PROCESSING])
        return [row.id for row in await self._all(select(RUNS.c.id).where(open_ones).order_by(RUNS.c.number))]

    async def _all(self, query: Select) -> Sequence[Row]:
        async with self._engine.connect() as db:
            return (await db.execute(query)).all()


async def _wait(news: asyncio.Condition, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        pass  # then look anyway


async def _write(db: AsyncConnection, recorded: Sequence[Recorded]) -> None:
    """Events of one run, and what webhooks are to be told of them."""
    await db.execute(insert(EVENTS), [_row(each) for each in recorded])
    await outbox.post(db, recorded)


def _row(recorded: Recorded) -> dict[str, object]:
    event = recorded.event
    return recorded.model_dump(include={"run_id", "seq", "at"}) | {"type": event.type, "body": event.model_dump_json()}


def _summary(row: Row) -> RunSummary:
    return RunSummary(row.id, Status(row.status), row.created_at, InterleaveRequest.model_validate_json(row.request))


def _unknown(run_id: str) -> NotFound:
    return NotFound(f"there is no run {run_id!r}")
