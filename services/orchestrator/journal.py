"""The journal: what happened in every run, append-only, and the only truth about it.

An event is committed before `append` returns, and followers are told only then: what anyone has seen survives a
crash. Two writers on one run cannot both go on: numbers are given inside the transaction, and nothing is taken after
`Finished`. Deliberately not here: what events mean (`document`), and who starts, cancels or resumes runs (`runs`).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Self
from weakref import WeakValueDictionary

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from interleavethinker import http
from interleavethinker.document import Document, fold
from interleavethinker.errors import BadRequest, Conflict, NotFound
from interleavethinker.events import EVENT, Created, Event, Finished, Recorded, Started, Status
from interleavethinker.types import InterleaveRequest
from services.orchestrator.schema import migrate
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
    owner: str | None = None


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

    async def ready(self) -> list[str]:
        """What keeps the database from answering; empty when nothing does."""
        try:
            await self._all(select(RUNS.c.id).limit(1))
        except SQLAlchemyError as error:
            return [f"the database does not answer ({type(error).__name__})"]
        return []

    async def create(self, request: InterleaveRequest, *, owner: str | None = None) -> str:
        """Begin a run with its `Created` event; its new id. The owner is the tenant whom this is done for, if no other
        is named."""
        owner = owner or http.tenant.get()
        run_id, now = f"run_{secrets.token_hex(12)}", datetime.now(UTC)
        async with self._engine.begin() as db:
            row = {"id": run_id, "owner": owner, "created_at": now, "status": Status.QUEUED, "last_seq": 1}
            await db.execute(insert(RUNS).values(**row, request=request.model_dump_json()))
            created = Recorded(run_id=run_id, seq=1, at=now, event=Created(request=request))
            await db.execute(insert(EVENTS).values(_row(created)))
        return run_id

    async def append(self, run_id: str, event: Event) -> Recorded:
        """Commit an event, then wake the run's followers.

        Raises NotFound for an unknown run, Conflict for one that has finished.
        """
        number_it = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.status.not_in([status for status in Status if status.final]))
            .values(last_seq=RUNS.c.last_seq + 1, status=_status_after(event) or RUNS.c.status)
            .returning(RUNS.c.last_seq)
        )
        async with self._engine.begin() as db:
            # The update comes first: it locks the run, so that no other writer can be given the same number.
            seq = (await db.execute(number_it)).scalar()
            if seq is None:
                found = (await db.execute(select(RUNS.c.status).where(RUNS.c.id == run_id))).scalar()
                raise _unknown(run_id) if found is None else Conflict(f"run {run_id} has finished ({found})")
            recorded = Recorded(run_id=run_id, seq=seq, at=datetime.now(UTC), event=event)
            await db.execute(insert(EVENTS).values(_row(recorded)))
        if news := self._news.get(run_id):
            async with news:
                news.notify_all()
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
        """The run's events above `after`, then each new one as it is committed; ends after `Finished`."""
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
                if isinstance(recorded.event, Finished):
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

    async def unfinished(self) -> list[str]:
        """The ids of the runs that have not finished, oldest first."""
        open_ones = RUNS.c.status.in_([status for status in Status if not status.final])
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
        case Finished(status=status):
            return status
    return None


def _unknown(run_id: str) -> NotFound:
    return NotFound(f"there is no run {run_id!r}")
