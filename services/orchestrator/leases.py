"""Who works on which run: a lease on each, for some seconds by the database's own clock.

A claim raises the run's fence; whoever holds an older one can write nothing of this run any more (`journal.append`). So
a replica that was thought dead, or whose clock is wrong, does no harm. Deliberately not here: when to claim and renew
(`claims`), and what is done with a run (`runs`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from interleavethinker.events import Status
from services.orchestrator.news import announce
from services.orchestrator.reaching import answering
from services.orchestrator.tables import RUNS, db_now

OPEN = RUNS.c.status.in_([Status.QUEUED, Status.PROCESSING])
"""Runs with work to be done; one that waits for its caller's word has none."""


class Claim(NamedTuple):
    """A run to work on. `now`: when it was claimed, by the database's clock. `lost_by`: the replica it was taken over
    from, whose lease ran out; None for a run that nobody held."""

    run_id: str
    fence: int
    now: datetime
    lost_by: str | None = None


class Leases:
    """The leases of one replica, `holder`."""

    def __init__(self, engine: AsyncEngine, holder: str, seconds: float) -> None:
        self._engine, self.holder, self.seconds = engine, holder, seconds

    async def claim(self, most: int, *, under_way: Collection[str] = ()) -> list[Claim]:
        """At most so many runs that nobody works on, oldest first: queued ones, those whose lease ran out, and those of
        this replica that it does not have `under_way` any more."""
        claims: list[Claim] = []
        with answering():
            while (room := most - len(claims)) > 0:
                held = [*under_way, *(claim.run_id for claim in claims)]
                dropped = and_(RUNS.c.lease_holder == self.holder, RUNS.c.id.not_in(held))
                free = and_(OPEN, or_(RUNS.c.lease_until.is_(None), RUNS.c.lease_until < db_now(), dropped))
                seen = select(RUNS.c.id, RUNS.c.fence, RUNS.c.lease_holder).where(free)
                async with self._engine.connect() as db:
                    found = (await db.execute(seen.order_by(RUNS.c.number).limit(room))).all()
                claims += [claim for row in found if (claim := await self._take(*row))]
                if len(found) < room:
                    break
        return claims

    async def renew(self) -> dict[str, int]:
        """Hold on to every run of this replica for another lease; their fences by id. One that is missing was taken
        over by another replica, or has ended."""
        longer = (
            update(RUNS).where(RUNS.c.lease_holder == self.holder, OPEN).values(lease_until=db_now() + self.seconds)
        )
        with answering():
            async with self._engine.begin() as db:
                return {row.id: row.fence for row in await db.execute(longer.returning(RUNS.c.id, RUNS.c.fence))}

    async def release(self) -> None:
        """Let go of every run of this replica: others may take them up at once."""
        let_go = update(RUNS).where(RUNS.c.lease_holder == self.holder).values(lease_holder=None, lease_until=None)
        with answering():
            async with self._engine.begin() as db:
                for row in (await db.execute(let_go.returning(RUNS.c.id))).all():
                    await announce(db, row.id, "released")

    async def _take(self, run_id: str, fence: int, lost_by: str | None) -> Claim | None:
        """The run, unless another replica was quicker: the fence it was seen with decides."""
        take = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.fence == fence, OPEN)
            .values(lease_holder=self.holder, lease_until=db_now() + self.seconds, fence=fence + 1)
            .returning(db_now())
        )
        async with self._engine.begin() as db:
            now = (await db.execute(take)).scalar()
        if now is None:
            return None
        other = lost_by if lost_by != self.holder else None
        return Claim(run_id, fence + 1, datetime.fromtimestamp(now, UTC), other)
