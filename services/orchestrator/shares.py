"""Share links: one token a run, with which anybody reads that run and nothing else, until it ends or is revoked.

The token is kept as it is, so that the run's owner can be shown the link again: who reads this table reads the
documents beside it anyway. Deliberately not here: which requests a token opens (`access`), and the routes (`sharing`).
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from interleavethinker.errors import Conflict
from services.orchestrator.idempotency import Key, claim
from services.orchestrator.reaching import answering
from services.orchestrator.tables import SHARES

_TOKEN = re.compile(r"shr_[A-Za-z0-9_-]{43}", re.ASCII)


class Share(NamedTuple):
    """A run's link. `expires_at` None: until it is revoked."""

    run_id: str
    token: str
    expires_at: datetime | None


class Shares:
    """The links of all runs, in the journal's database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def give(self, run_id: str, lives: timedelta | None, *, key: Key | None = None) -> Share:
        """The run's link with this new end; another one where the old one is over. With a key that was used for this
        before, the link that there is. Raises KeyReused, and Conflict where that was revoked since."""
        with answering():
            async with self._engine.begin() as db:
                again = await claim(db, key, run_id) if key else None
                found = (await db.execute(_live(SHARES.c.run_id == run_id))).one_or_none()
                if again:
                    if found is None:
                        raise Conflict("this call made a link that is over or was revoked since; ask with another key")
                    return Share(*found)
                token = found.token if found else f"shr_{secrets.token_urlsafe(32)}"
                share = Share(run_id, token, datetime.now(UTC) + lives if lives else None)
                await db.execute(delete(SHARES).where(SHARES.c.run_id == run_id))
                await db.execute(insert(SHARES).values(share._asdict()))
                return share

    async def of_run(self, run_id: str) -> Share | None:
        return await self._one(SHARES.c.run_id == run_id)

    async def opened(self, token: str) -> Share | None:
        """The link that this token is of; None for one that is unknown, revoked or over."""
        return await self._one(SHARES.c.token == token) if _TOKEN.fullmatch(token) else None

    async def revoke(self, run_id: str) -> bool:
        """From now on the token opens nothing; False where there was none."""
        with answering():
            async with self._engine.begin() as db:
                gone = await db.execute(delete(SHARES).where(SHARES.c.run_id == run_id).returning(SHARES.c.run_id))
                return gone.one_or_none() is not None

    async def _one(self, which: ColumnElement[bool]) -> Share | None:
        with answering():
            async with self._engine.connect() as db:
                found = (await db.execute(_live(which))).one_or_none()
                return Share(*found) if found else None


def _live(which: ColumnElement[bool]) -> Select:
    lives = or_(SHARES.c.expires_at.is_(None), SHARES.c.expires_at > datetime.now(UTC))
    return select(SHARES.c.run_id, SHARES.c.token, SHARES.c.expires_at).where(which, lives)
