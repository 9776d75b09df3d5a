"""Idempotency keys: a call that is made twice with one key does its work once, whichever replica hears it.

A key is claimed in the same transaction that does the work, so of two calls at once the second waits for the first's
commit and then finds its run. Deliberately not here: what the work is.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from interleavethinker.errors import BadRequest
from interleavethinker.types import Value
from services.orchestrator.tables import IDEMPOTENCY_KEYS, NOBODY

FORM = r"^[!-~]{1,255}$"
"""A key is any printable ASCII without spaces, a UUID for instance."""


class KeyReused(BadRequest):
    """A key that an earlier call used for something else."""

    code = "idempotency_key_reused"


class Key(NamedTuple):
    """Whose key, the key, what is asked with it (a digest), and for how many seconds it is remembered."""

    owner: str
    key: str
    digest: str
    seconds: float

    @classmethod
    def of(cls, key: str, *, owner: str | None, action: str, asked: Value, seconds: float) -> Key:
        """`action` is what is done to which run, `asked` the canonical request."""
        digest = hashlib.sha256(f"{action}\n{asked.canonical()}".encode()).hexdigest()
        return cls(owner or NOBODY, key, digest, seconds)


async def claim(db: AsyncConnection, key: Key, run_id: str) -> str | None:
    """Claim the key for this run: None, or the run of the earlier call that had it. Raises KeyReused."""
    table, now = IDEMPOTENCY_KEYS, datetime.now(UTC)
    await db.execute(delete(table).where(table.c.created_at < now - timedelta(seconds=key.seconds)))
    insert = postgres_insert if db.dialect.name == "postgresql" else sqlite_insert
    row = {"owner": key.owner, "key": key.key, "digest": key.digest, "run_id": run_id, "created_at": now}
    if (await db.execute(insert(table).values(row).on_conflict_do_nothing().returning(table.c.key))).first():
        return None
    return await lookup(db, key)


async def lookup(db: AsyncConnection, key: Key) -> str | None:
    """The run of the call that has the key, None when no call has. Raises KeyReused."""
    table = IDEMPOTENCY_KEYS
    since = datetime.now(UTC) - timedelta(seconds=key.seconds)
    mine = (table.c.owner == key.owner) & (table.c.key == key.key) & (table.c.created_at >= since)
    earlier = (await db.execute(select(table.c.run_id, table.c.digest).where(mine))).one_or_none()
    if earlier is None:
        return None
    if earlier.digest != key.digest:
        raise KeyReused(
            "this Idempotency-Key came with another request before; give each request a key of its own",
            run_id=earlier.run_id,
        )
    return str(earlier.run_id)
