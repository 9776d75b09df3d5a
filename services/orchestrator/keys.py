"""API keys in the journal's database: made, listed, rotated, revoked, and known again by their digest.

A key is `itk_<id>_<secret>` with 256 random bits, so a plain SHA-256 of it cannot be guessed back: a slow hash would
buy nothing and cost every request. The id finds the row; the digests are compared in constant time. A key is shown
once, when it is made. Deliberately not here: what a key may do with a route (`access`), and the command line
(`commands`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from interleavethinker.errors import BadRequest, NotFound, Unauthenticated
from services.orchestrator.access import Caller, Permission
from services.orchestrator.reaching import answering
from services.orchestrator.schema import migrate
from services.orchestrator.tables import API_KEYS, open_engine

_KEY = re.compile(r"itk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NO_DIGEST = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


class KeyRow(NamedTuple):
    """A key as it is listed: all but its secret."""

    id: str
    tenant: str
    permissions: frozenset[Permission]
    note: str
    created_at: datetime
    expires_at: datetime | None

    @property
    def ended(self) -> bool:
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


class Keys:
    """Implements `access.Door`. Use as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url, self._engine = url, open_engine(url)

    async def __aenter__(self) -> Self:
        await migrate(self._url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()

    async def caller(self, bearer: str) -> Caller | None:
        """Implements `access.Door`. Looks into the database each time: a revoked key is refused at once."""
        if not bearer.startswith("itk_"):
            return None
        found = _KEY.fullmatch(bearer)
        row = await self._row(found[1]) if found else None
        # Compared in any case, so that the answer's time does not say which ids there are.
        right = hmac.compare_digest(row.digest if row else _NO_DIGEST, _digest(bearer))
        if row is None or not right or (key := _key(row)).ended:
            raise Unauthenticated("this key is unknown, revoked or has run out")
        return Caller(key.tenant, key.permissions, f"key {key.id}")

    async def create(
        self, tenant: str, permissions: Iterable[Permission], *, note: str = "", lives: timedelta | None = None
    ) -> tuple[KeyRow, str]:
        """A new key, and its text, which can never be read again. Raises BadRequest for a tenant's name that cannot
        stand in paths and headers."""
        if not _TENANT.fullmatch(tenant):
            raise BadRequest(f"tenant {tenant!r}: write up to 64 letters, digits, dots, dashes and underscores")
        now = datetime.now(UTC)
        ends = None if lives is None else now + lives
        key = KeyRow(secrets.token_hex(6), tenant, frozenset(permissions), note[:200], now, ends)
        if not key.permissions:
            raise BadRequest("a key that may nothing is none: name read, write or admin")
        text = f"itk_{key.id}_{secrets.token_urlsafe(32)}"
        said = ",".join(sorted(key.permissions))
        async with self._db() as db:
            await db.execute(insert(API_KEYS).values(**key._asdict() | {"permissions": said, "digest": _digest(text)}))
        return key, text

    async def rotate(self, key_id: str, *, grace: timedelta) -> tuple[KeyRow, str]:
        """A new key like an old one, which runs out after `grace`. Raises NotFound for one that is no longer good."""
        row = await self._row(key_id)
        if row is None or _key(row).ended:
            raise NotFound(f"there is no good key {key_id!r}")
        old = _key(row)
        lives = None if old.expires_at is None else old.expires_at - old.created_at
        new = await self.create(old.tenant, old.permissions, note=old.note, lives=lives)
        await self._end(key_id, datetime.now(UTC) + grace)
        return new

    async def revoke(self, key_id: str) -> None:
        """From the next request on it is refused. Raises NotFound."""
        if await self._row(key_id) is None:
            raise NotFound(f"there is no key {key_id!r}")
        await self._end(key_id, datetime.now(UTC))

    async def list(self, tenant: str | None = None) -> list[KeyRow]:
        """All keys, or one tenant's, oldest first; ended ones too."""
        query = select(API_KEYS).order_by(API_KEYS.c.created_at)
        async with self._db() as db:
            rows = (await db.execute(query if tenant is None else query.where(API_KEYS.c.tenant == tenant))).all()
        return [_key(row) for row in rows]

    @asynccontextmanager
    async def _db(self) -> AsyncIterator[AsyncConnection]:
        with answering():
            async with self._engine.begin() as db:
                yield db

    async def _row(self, key_id: str) -> Row | None:
        async with self._db() as db:
            return (await db.execute(select(API_KEYS).where(API_KEYS.c.id == key_id))).one_or_none()

    async def _end(self, key_id: str, at: datetime) -> None:
        lasts_longer = or_(API_KEYS.c.expires_at.is_(None), API_KEYS.c.expires_at > at)
        async with self._db() as db:
            await db.execute(update(API_KEYS).where(API_KEYS.c.id == key_id, lasts_longer).values(expires_at=at))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _key(row: Row) -> KeyRow:
    permissions = frozenset(map(Permission, row.permissions.split(",")))
    return KeyRow(row.id, row.tenant, permissions, row.note, row.created_at, row.expires_at)
