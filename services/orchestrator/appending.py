"""The one write that every event waits for, as short as it can be while the event is on the disk before it returns.

On Postgres it is one statement, and so one round trip: the run's row is locked and counted on, the event inserted, the
outbox filled and the other replicas told, all or nothing; Postgres itself flushes the commits of many runs together.
On SQLite a single thread writes: what many runs append while it waits for the disk goes into its next transaction, and
is synced with one flush. Deliberately not here: who may append, and what a refusal means (`journal`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    Connection,
    Executable,
    Select,
    Update,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from interleavethinker.events import Event, Finished, PlanAwaited, Started
from services.orchestrator.cards import Card
from services.orchestrator.news import CHANNEL
from services.orchestrator.outbox import DeliveryState
from services.orchestrator.statuses import FINAL, status_after
from services.orchestrator.tables import DELIVERIES, EVENTS, RUNS, WEBHOOKS, Utc, db_now, open_writer

MOST_AT_ONCE = 128
"""Events in one transaction of the SQLite writer: readers see none of them before its end."""


class Entry(NamedTuple):
    """An event for a run that has not finished. `fence`: only where the run's is the same. `card`: what the list shows
    from now on, right only where the run's last event is number `after`."""

    run_id: str
    event: Event
    fence: int | None = None
    card: Card | None = None
    after: int | None = None


class Told(NamedTuple):
    """The number and time that the database gave."""

    seq: int
    at: datetime


class Appender(Protocol):
    async def append(self, entry: Entry) -> Told | None:
        """Commit it; None where the run is not there, or not as the entry wants it. Raises the database's errors."""
        ...

    async def close(self) -> None: ...


def open_appender(engine: AsyncEngine) -> Appender:
    return StatementAppender(engine) if engine.dialect.name == "postgresql" else GroupAppender(engine)


class StatementAppender:
    """One statement each, on a connection of the journal's pool."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def append(self, entry: Entry) -> Told | None:
        async with self._engine.connect() as db:
            row = (await db.execute(_whole(*_form(entry)), _values(entry))).one_or_none()
        return Told(row.seq, row.at) if row else None

    async def close(self) -> None:
        return None


class GroupAppender:
    """One thread with a connection of its own; what waits while it commits is its next transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = open_writer(engine)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting: list[tuple[Entry, asyncio.Future[Told | None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def append(self, entry: Entry) -> Told | None:
        ours = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, ours))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await ours  # whoever is cancelled before its transaction began has written nothing

    async def close(self) -> None:
        if self._writing:
            await asyncio.gather(self._writing, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
        self._engine.dispose()

    async def _write(self) -> None:
        while self._waiting:
            batch = [each for each in self._waiting[:MOST_AT_ONCE] if not each[1].done()]
            del self._waiting[:MOST_AT_ONCE]
            if not batch:
                continue
            entries = [entry for entry, _ in batch]
            answers = await asyncio.get_running_loop().run_in_executor(self._thread, self._together, entries)
            for (_, ours), answer in zip(batch, answers, strict=True):
                if ours.done():
                    continue
                if isinstance(answer, BaseException):
                    ours.set_exception(answer)
                else:
                    ours.set_result(answer)

    def _together(self, entries: Sequence[Entry]) -> list[Told | BaseException | None]:
        """All in one transaction; where one of them cannot be written at all, each in its own."""
        try:
            with self._engine.begin() as db:
                return [_one_by_one(db, entry) for entry in entries]
        except IntegrityError as error:
            return [error] if len(entries) == 1 else [each for entry in entries for each in self._together([entry])]
        except Exception as error:  # each that waits is told, and says what becomes of its run
            return [error] * len(entries)


def _one_by_one(db: Connection, entry: Entry) -> Told | None:
    """SQLite's form: no statement of it changes two tables."""
    values = _values(entry)
    numbered = db.execute(_numbering(*_form(entry)), values).one_or_none()
    if numbered is None:
        return None
    told = Told(numbered.seq, datetime.fromtimestamp(numbered.at, UTC))
    placed = {"b_run": entry.run_id, "b_type": entry.event.type, "b_seq": told.seq, "b_at": told.at}
    db.execute(_EVENT, {**placed, "b_body": values["b_body"]})
    db.execute(_DELIVERIES, {**placed, "b_due": values["b_due"]})
    return told


def _form(entry: Entry) -> tuple[bool, bool, bool, bool, bool]:
    """What the statement depends on, so that each form is made once."""
    event = entry.event
    return (
        status_after(event) is not None,
        not isinstance(event, Started),  # it came further; that somebody took it up is no progress
        isinstance(event, Finished | PlanAwaited),
        entry.fence is not None,
        entry.card is not None,
    )


def _values(entry: Entry) -> dict[str, Any]:
    event = entry.event
    card = {f"b_{name}": value for name, value in entry.card._asdict().items()} if entry.card else {}
    return card | {
        "b_run": entry.run_id,
        "b_status": status_after(event),
        "b_fence": entry.fence,
        "b_after": entry.after,
        "b_type": event.type,
        "b_body": event.model_dump_json(),
        "b_due": datetime.now(UTC),
        "b_news": f"{entry.run_id} {event.type}",
    }


@lru_cache
def _numbering(moves: bool, further: bool, lets_go: bool, fenced: bool, carded: bool) -> Update:
    """Locks the run and counts on: no other writer can be given the same number."""
    changes: dict[str, Any] = {"last_seq": RUNS.c.last_seq + 1}
    if moves:
        changes["status"] = bindparam("b_status", type_=RUNS.c.status.type)
    if further:
        changes["losses"] = 0
    if lets_go:
        changes |= {"lease_holder": None, "lease_until": None}
    if carded:
        changes |= {name: bindparam(f"b_{name}", type_=RUNS.c[name].type) for name in Card._fields}
    where = (RUNS.c.id == bindparam("b_run")) & RUNS.c.status.not_in(FINAL)
    if fenced:
        where &= RUNS.c.fence == bindparam("b_fence", type_=RUNS.c.fence.type)
    if carded:
        where &= RUNS.c.last_seq == bindparam("b_after", type_=RUNS.c.last_seq.type)
    given = RUNS.c.id.label("run_id"), RUNS.c.last_seq.label("seq"), db_now().label("at")
    return update(RUNS).where(where).values(changes).returning(*given)


@lru_cache
def _whole(moves: bool, further: bool, lets_go: bool, fenced: bool, carded: bool) -> Select:
    """Postgres' form: everything in one statement, and so in one transaction."""
    numbered = _numbering(moves, further, lets_go, fenced, carded).cte("numbered")
    at = func.to_timestamp(numbered.c.at, type_=Utc())
    row = select(numbered.c.run_id, numbered.c.seq, at, _bound("type"), _bound("body"))
    written = insert(EVENTS).from_select(["run_id", "seq", "at", "type", "body"], row).cte("written")
    posted = _deliveries(numbered.c.run_id, numbered.c.seq).cte("posted")
    news = bindparam("b_news", type_=EVENTS.c.body.type)
    told = select(numbered.c.seq, at.label("at"), func.pg_notify(CHANNEL, news))
    return told.add_cte(written, posted)


def _bound(name: str) -> Any:
    return bindparam({"run_id": "b_run"}.get(name, f"b_{name}"), type_=EVENTS.c[name].type)


_EVENT: Executable = insert(EVENTS).values({name: _bound(name) for name in ("run_id", "seq", "at", "type", "body")})


def _deliveries(run_id: Any, seq: Any) -> Any:
    """What the run's webhooks are to be told of the event (the same rows as `outbox.post`)."""
    due = bindparam("b_due", type_=DELIVERIES.c.due_at.type)
    number = func.substr(WEBHOOKS.c.id, len("hook_") + 1)
    name = literal("msg_").concat(number).concat("_").concat(seq.cast(DELIVERIES.c.id.type))
    row = select(name, WEBHOOKS.c.id, seq, literal(DeliveryState.DUE.value), literal(0), due, due).where(
        WEBHOOKS.c.run_id == run_id,
        literal(",").concat(WEBHOOKS.c.events).concat(",").contains(literal(",").concat(_bound("type")).concat(",")),
    )
    return insert(DELIVERIES).from_select(["id", "webhook_id", "seq", "state", "tries", "due_at", "created_at"], row)


_DELIVERIES: Executable = _deliveries(_bound("run_id"), _bound("seq"))
