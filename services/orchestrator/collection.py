"""What nobody needs any more: runs past their retention, images that no run refers to, and what killed writers left.

Safe beside runs in progress: only blobs that were last put longer ago than `older_than` are looked at, whoever is
about to refer to one puts it (again) first, and one that was put since it was listed is left. Deliberately not here:
when this is done (an operator's timer calls `python -m services.orchestrator gc`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from interleavethinker.blobs import Store
from services.orchestrator.outbox import DeliveryState
from services.orchestrator.statuses import FINAL
from services.orchestrator.tables import DELIVERIES, EVENTS, IDEMPOTENCY_KEYS, RUNS, WEBHOOKS

LEAST_AGE = timedelta(hours=1)
"""Younger blobs are never taken: between a drawing and the event that names it there may be this much patience."""
_NAMED = re.compile(r'"digest":\s*"([0-9a-f]{64})"')
_ROWS = 500


class Collected(NamedTuple):
    """How much was deleted, or would be."""

    runs: int
    blobs: int
    kept: int
    leftovers: int = 0


async def collect(
    engine: AsyncEngine,
    store: Store,
    *,
    older_than: timedelta,
    retention: timedelta | None,
    keys_live: timedelta = timedelta(days=1),
    dry_run: bool = False,
) -> Collected:
    """Delete runs that ended and were asked for longer than `retention` ago (None: none), then blobs older than
    `older_than` that no run of their tenant names, and unfinished writes of that age. `keys_live`: how long an
    idempotency key is remembered."""
    now = datetime.now(UTC)
    expired: list[str] = []
    if retention:
        found = await _expired(engine, now - retention, now - keys_live)
        parts = [found[start : start + _ROWS] for start in range(0, len(found), _ROWS)]
        forgotten = parts if dry_run else [await forget(engine, part, now - keys_live) for part in parts]
        expired = [run_id for part in forgotten for run_id in part]
    before = (now - max(older_than, LEAST_AGE)).timestamp()
    old = [blob async for blob in store.all() if blob.at < before]
    # Only now: what has been referred to since the blobs were listed is seen.
    gone = frozenset(expired) if dry_run else frozenset[str]()
    named = {found async for found in _named(engine, gone)}
    unnamed = [blob for blob in old if (blob.tenant, blob.digest) not in named]
    deleted = unnamed if dry_run else [blob for blob in unnamed if await store.delete(blob)]
    leftovers = await store.leftovers(before, delete=not dry_run)
    return Collected(len(expired), len(deleted), len(old) - len(deleted), leftovers)


def _done(keys_since: datetime) -> ColumnElement[bool]:
    """Whether nobody waits for anything of a run: it ended, its webhooks were told or given up, and no key can lead a
    repeated call to it any more."""
    told = select(WEBHOOKS.c.run_id).join(DELIVERIES, DELIVERIES.c.webhook_id == WEBHOOKS.c.id)
    due = told.where(DELIVERIES.c.state == DeliveryState.DUE)
    keyed = select(IDEMPOTENCY_KEYS.c.run_id).where(IDEMPOTENCY_KEYS.c.created_at >= keys_since)
    return and_(RUNS.c.status.in_(FINAL), RUNS.c.id.not_in(due), RUNS.c.id.not_in(keyed))


async def _expired(engine: AsyncEngine, before: datetime, keys_since: datetime) -> list[str]:
    async with engine.connect() as db:
        found = await db.execute(select(RUNS.c.id).where(RUNS.c.created_at < before, _done(keys_since)))
        return list(found.scalars())


async def forget(engine: AsyncEngine, run_ids: list[str], keys_since: datetime) -> list[str]:
    """Delete these runs with their events, keys and webhooks, but those that their callers let go on by now; which."""
    # The update locks them, so that no wish of a caller comes between.
    lock = update(RUNS).where(RUNS.c.id.in_(run_ids), _done(keys_since)).values(fence=RUNS.c.fence + 1)
    async with engine.begin() as db:
        gone = list((await db.execute(lock.returning(RUNS.c.id))).scalars())
        await db.execute(delete(EVENTS).where(EVENTS.c.run_id.in_(gone)))
        await db.execute(delete(RUNS).where(RUNS.c.id.in_(gone)))
    return gone


async def _named(engine: AsyncEngine, gone: frozenset[str]) -> AsyncIterator[tuple[str | None, str]]:
    """The tenant and digest of each image that a run names, in its request or in any event, whatever its type."""
    requests = select(RUNS.c.owner, RUNS.c.id, RUNS.c.request)
    events = select(RUNS.c.owner, RUNS.c.id, EVENTS.c.body).join(EVENTS, EVENTS.c.run_id == RUNS.c.id)
    async with engine.connect() as db:
        for query in (requests, events):
            async for owner, run_id, text in await db.stream(query.execution_options(yield_per=_ROWS)):
                if run_id not in gone:
                    for digest in _NAMED.findall(text):
                        yield owner, digest
