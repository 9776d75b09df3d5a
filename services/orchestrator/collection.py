"""What nobody needs any more: runs past their retention, and images that no run refers to.

Safe beside runs in progress: only blobs that were last put longer ago than `older_than` are looked at, whoever is
about to refer to one puts it (again) first, and one that was put since it was listed is left. Deliberately not here:
when this is done (an operator's timer calls `python -m services.orchestrator gc`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Table, delete, inspect, select
from sqlalchemy.ext.asyncio import AsyncEngine

from interleavethinker.blobs import Store
from interleavethinker.events import Status
from services.orchestrator.tables import EVENTS, METADATA, RUNS

LEAST_AGE = timedelta(hours=1)
"""Younger blobs are never taken: between a drawing and the event that names it there may be this much patience."""
_NAMED = re.compile(r'"digest":\s*"([0-9a-f]{64})"')
_ROWS = 500


class Collected(NamedTuple):
    """How much was deleted, or would be."""

    runs: int
    blobs: int
    kept: int


async def collect(
    engine: AsyncEngine, store: Store, *, older_than: timedelta, retention: timedelta | None, dry_run: bool = False
) -> Collected:
    """Delete runs that ended and were asked for longer than `retention` ago (None: none), then blobs older than
    `older_than` that no run of their tenant names."""
    now = datetime.now(UTC)
    expired = await _expired(engine, now - retention) if retention else []
    if not dry_run:
        for start in range(0, len(expired), _ROWS):
            await _forget(engine, expired[start : start + _ROWS])
    before = (now - max(older_than, LEAST_AGE)).timestamp()
    old = [blob async for blob in store.all() if blob.at < before]
    # Only now: what has been referred to since the blobs were listed is seen.
    gone = frozenset(expired) if dry_run else frozenset[str]()
    named = {found async for found in _named(engine, gone)}
    unnamed = [blob for blob in old if (blob.tenant, blob.digest) not in named]
    deleted = unnamed if dry_run else [blob for blob in unnamed if await store.delete(blob)]
    return Collected(len(expired), len(deleted), len(old) - len(deleted))


async def _expired(engine: AsyncEngine, before: datetime) -> list[str]:
    ended = [status for status in Status if status.final]
    query = select(RUNS.c.id).where(RUNS.c.status.in_(ended), RUNS.c.created_at < before)
    async with engine.connect() as db:
        return list((await db.execute(query)).scalars())


async def _forget(engine: AsyncEngine, run_ids: list[str]) -> None:
    """Delete the runs and every row of any table that belongs to one."""
    async with engine.begin() as db:
        present = await db.run_sync(_tables)
        for table in reversed(METADATA.sorted_tables):
            column = _belongs(table)
            if column is not None and table.name in present:
                await db.execute(delete(table).where(table.c[column].in_(run_ids)))
        await db.execute(delete(RUNS).where(RUNS.c.id.in_(run_ids)))


def _tables(db: Connection) -> set[str]:
    return set(inspect(db).get_table_names())


def _belongs(table: Table) -> str | None:
    """The column by which a table's rows belong to a run."""
    return "run_id" if "run_id" in table.c else None


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
