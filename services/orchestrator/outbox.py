"""The outbox: what webhooks are still to be told, written in the same transaction as the events it tells of.

So no event is told that did not happen, and none that happened is forgotten, whatever crashes. A delivery has a stable
id and is made at least once. Several replicas may deliver: each takes a delivery for a while before it tries it.
Deliberately not here: the sending (`webhooks`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from interleavethinker.events import EVENT, Recorded
from services.orchestrator.reaching import answering
from services.orchestrator.tables import DELIVERIES, EVENTS, WEBHOOKS


class Hook(NamedTuple):
    """Whom to tell of a run, and of which types of events."""

    url: str
    events: tuple[str, ...]


class DeliveryState(StrEnum):
    DUE = "due"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Delivery(NamedTuple):
    """One event for one webhook. `id` is the same at every try."""

    id: str
    url: str
    run_id: str
    seq: int
    state: DeliveryState
    tries: int
    created_at: datetime
    due_at: datetime
    problem: str | None


async def register(db: AsyncConnection, run_id: str, hooks: Sequence[Hook]) -> None:
    """The run's webhooks, before its first event is written."""
    for hook in hooks:
        row = {"id": f"hook_{secrets.token_hex(12)}", "run_id": run_id, "url": hook.url}
        await db.execute(insert(WEBHOOKS).values(row | {"events": ",".join(hook.events)}))


async def post(db: AsyncConnection, recorded: Sequence[Recorded]) -> None:
    """What these events of one run have to tell, put into the outbox of this transaction."""
    hooks = (await db.execute(select(WEBHOOKS).where(WEBHOOKS.c.run_id == recorded[0].run_id))).all()
    now = datetime.now(UTC)
    rows = [
        {
            "id": f"msg_{hook.id.removeprefix('hook_')}_{each.seq}",
            "webhook_id": hook.id,
            "seq": each.seq,
            "state": DeliveryState.DUE,
            "tries": 0,
            "due_at": now,
            "created_at": now,
        }
        for hook in hooks
        for each in recorded
        if each.event.type in hook.events.split(",")
    ]
    if rows:
        await db.execute(insert(DELIVERIES), rows)


class Outbox:
    """Deliveries in the journal's database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of_run(self, run_id: str) -> list[Delivery]:
        """All deliveries of a run, in the order of its events."""
        return await self._read(_SELECT.where(WEBHOOKS.c.run_id == run_id).order_by(DELIVERIES.c.seq, DELIVERIES.c.id))

    async def take(self, most: int, seconds: float) -> list[Delivery]:
        """Up to so many deliveries that are due, the longest due first; taken from other replicas for so long."""
        now = datetime.now(UTC)
        due = _SELECT.where(DELIVERIES.c.state == DeliveryState.DUE, DELIVERIES.c.due_at <= now)
        found = await self._read(due.order_by(DELIVERIES.c.due_at).limit(most))
        taken = []
        for delivery in found:
            # Whoever moves `due_at` first has it.
            mine = (DELIVERIES.c.id == delivery.id) & (DELIVERIES.c.due_at == delivery.due_at)
            still_due = DELIVERIES.c.state == DeliveryState.DUE
            move = update(DELIVERIES).where(mine, still_due).values(due_at=now + timedelta(seconds=seconds))
            async with self._engine.begin() as db:
                if (await db.execute(move.returning(DELIVERIES.c.id))).first():
                    taken.append(delivery)
        return taken

    async def event(self, delivery: Delivery) -> Recorded:
        """What it tells of."""
        query = select(EVENTS).where(EVENTS.c.run_id == delivery.run_id, EVENTS.c.seq == delivery.seq)
        async with self._engine.connect() as db:
            row = (await db.execute(query)).one()
        return Recorded(run_id=row.run_id, seq=row.seq, at=row.at, event=EVENT.validate_json(row.body))

    async def settle(self, delivery: Delivery, state: DeliveryState, problem: str | None, due_at: datetime) -> None:
        """How a try ended."""
        ended = {"state": state, "tries": delivery.tries + 1, "problem": problem, "due_at": due_at}
        async with self._engine.begin() as db:
            await db.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery.id).values(ended))

    async def _read(self, query: Select) -> list[Delivery]:
        with answering():
            async with self._engine.connect() as db:
                rows = (await db.execute(query)).mappings().all()
        return [Delivery(**{**row, "state": DeliveryState(row["state"])}) for row in rows]


_SELECT = select(
    DELIVERIES.c.id,
    WEBHOOKS.c.url,
    WEBHOOKS.c.run_id,
    DELIVERIES.c.seq,
    DELIVERIES.c.state,
    DELIVERIES.c.tries,
    DELIVERIES.c.created_at,
    DELIVERIES.c.due_at,
    DELIVERIES.c.problem,
).join(WEBHOOKS, WEBHOOKS.c.id == DELIVERIES.c.webhook_id)
