"""The journal: what happened in every run, append-only, and the only truth about it.

An event is committed before `append` returns, and followers are told only then: what anyone has seen survives a
crash. Numbers and times are given inside the transaction, by the database; a replica that lost its lease on the run
writes nothing, and after `Finished` only a wish of the run's caller is taken. What webhooks are to be told, and the
keys of calls that may be repeated, are written in the same transactions. Raises JournalAway (a 503) where the database
does not answer. Deliberately not here: reading (`records`), what events mean (`document`), who holds a run (`leases`),
and who starts, cancels or resumes runs (`runs`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakValueDictionary

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from interleavethinker.errors import Conflict, NotFound
from interleavethinker.events import Created, Event, Finished, PlanAwaited, Recorded, Started, Status
from interleavethinker.types import InterleaveRequest
from services.orchestrator import cards, outbox
from services.orchestrator.appending import Entry, Told, open_appender
from services.orchestrator.collection import forget
from services.orchestrator.idempotency import Key, claim, lookup
from services.orchestrator.news import announce
from services.orchestrator.outbox import Hook, Outbox
from services.orchestrator.reaching import JournalAway, answering
from services.orchestrator.records import POLL_SECONDS, Records, unknown
from services.orchestrator.statuses import FINAL, not_now, status_after, taken_in
from services.orchestrator.tables import EVENTS, RUNS, db_now
from services.orchestrator.waiting import leave_room

CARD_TRIES = 5


class LeaseLost(Conflict):
    """Another replica works on the run by now; nothing of this one's is taken any more."""

    code = "lease_lost"


class Changed(Conflict):
    """The run is not as it was when the wish was made of it."""

    code = "changed_meanwhile"
    retryable = True


class Begun(NamedTuple):
    """A run that a call has begun, or had begun already when it was made before with the same key."""

    run_id: str
    replayed: bool = False


class Journal(Records):
    """Runs and their events in one database: reading, as there, and all writing."""

    def __init__(self, url: str, *, poll: float = POLL_SECONDS) -> None:
        super().__init__(url, poll=poll)
        self._appender, self._deck = open_appender(self.engine), cards.Deck()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __aexit__(self, *_: object) -> None:
        await self._appender.close()
        await super().__aexit__(*_)

    @property
    def outbox(self) -> Outbox:
        """What webhooks are still to be told."""
        return Outbox(self.engine)

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
        door: dict[str, JsonValue] | None = None,
    ) -> Begun:
        """Begin a run with its `Created` event and the given ones after it. With a key that was used for the same
        request before, the run that was begun then. Raises KeyReused, and QueueFull where as many runs of its owner
        wait as may."""
        run_id, created = f"run_{secrets.token_hex(12)}", Created(request=request, door=door)
        said: list[Event] = [created, *events]
        async with self._writing() as db:
            now = _time((await db.execute(select(db_now()))).scalar_one())
            row = {"id": run_id, "owner": owner, "created_at": now, "status": Status.QUEUED, "last_seq": len(said)}
            card = cards.card_of(request, events)._asdict()
            await db.execute(insert(RUNS).values(**row, **card, request=request.model_dump_json()))
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

    async def forget(self, run_id: str) -> bool:
        """Delete a run that is at its end, with its events, keys and webhooks; False while some are to be told."""
        return bool(await forget(self.engine, [run_id], datetime.now(UTC)))

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
        turn = self._turns.setdefault(run_id, asyncio.Lock())
        async with turn:
            told = await self._committed(run_id, event, fence)
        if told is None:
            async with self._writing() as db:
                raise _refusal(run_id, await _found(db, run_id), fence)
        await self.news.tell(run_id, event.type)
        return Recorded(run_id=run_id, seq=told.seq, at=told.at, event=event)

    async def _committed(self, run_id: str, event: Event, fence: int | None) -> Told | None:
        """None where the run takes no event of this fence."""
        with answering():
            if not isinstance(event, cards.CHANGES):
                told = await self._appender.append(Entry(run_id, event, fence))
                if told:
                    self._deck.hear(run_id, told.seq, event)
                return told
            for _ in range(CARD_TRIES):  # another replica's wish may have come between
                if (found := await self._deck.drawn(self.engine, run_id)) is None:
                    return None
                last, making = found
                self._deck.drop(run_id)  # it has heard an event that may not come to be
                making.hear(event)
                if told := await self._appender.append(Entry(run_id, event, fence, making.card, last)):
                    self._deck.hold(run_id, told.seq, making)
                    return told
                row = await self._state(run_id)
                if row is None or row.status in FINAL or (fence is not None and row.fence != fence):
                    return None
        raise JournalAway(f"run {run_id} is changed faster than it can be written to")

    async def _state(self, run_id: str) -> Row | None:
        async with self.engine.connect() as db:
            return await _found(db, run_id)

    async def wish(
        self, run_id: str, wishes: Sequence[Event], *, key: Key | None = None, seen: int | None = None
    ) -> Begun:
        """Commit what the run's caller wishes of it, all or nothing, then wake who is to know. `seen`: the last event
        that the wishes were made in the light of, where they stand only as long as nothing follows it.

        Raises NotFound for an unknown run, Conflict for one whose state does not allow it, Changed, KeyReused.
        """
        where: ColumnElement[bool] = RUNS.c.status.in_(taken_in(wishes[0]))
        if seen is not None:
            where &= RUNS.c.last_seq == seen
        async with self._writing() as db:
            if (found := await _found(db, run_id)) is None:
                raise unknown(run_id)
        async with self._writing() as db:
            if key and await claim(db, key, run_id):
                return Begun(run_id, replayed=True)
            if not await _append(db, run_id, wishes, where):
                if found.status in taken_in(wishes[0]):
                    raise Changed(f"run {run_id} was changed meanwhile; look at it and ask again")
                raise Conflict(not_now(run_id, wishes[0], found.status))
        for wish in wishes:
            await self.news.tell(run_id, wish.type)
        return Begun(run_id)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        with answering():
            async with self.engine.begin() as db:
                yield db


async def _append(
    db: AsyncConnection, run_id: str, events: Sequence[Event], where: ColumnElement[bool]
) -> list[Recorded]:
    """The events, numbered and written, and those told who are to know; none where the run is not as `where` says."""
    statuses = [status for event in events if (status := status_after(event))]
    changes: dict[str, object] = {"last_seq": RUNS.c.last_seq + len(events)}
    if statuses:
        changes |= {"status": statuses[-1]}
    if not all(isinstance(event, Started) for event in events):
        changes |= {"losses": 0}  # it came further; that somebody took it up is no progress
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
    await cards.renew(db, run_id, events)
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


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _refusal(run_id: str, found: Row | None, fence: int | None) -> NotFound | Conflict:
    """Why the run did not take an event."""
    if found is None:
        return unknown(run_id)
    if Status(found.status).final:
        return Conflict(f"run {run_id} has finished ({found.status})")
    return LeaseLost(f"run {run_id} is worked on by another replica (fence {found.fence}, not {fence})")
