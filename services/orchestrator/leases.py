"""Who works on which run: a lease on each, for some seconds by the database's own clock.

A claim raises the run's fence; whoever holds an older one can write nothing of this run any more (`journal.append`). So
a replica that was thought dead, or whose clock is wrong, does no harm. Deliberately not here: when to claim and renew
(`claims`), and what is done with a run (`runs`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncEngine

from interleavethinker.events import Status
from services.orchestrator.news import announce
from services.orchestrator.reaching import answering
from services.orchestrator.tables import NOBODY, RUNS, TURNS, db_now

OPEN = RUNS.c.status.in_([Status.QUEUED, Status.PROCESSING])
"""Runs with work to be done; one that waits for its caller's word has none."""
OWNER = func.coalesce(RUNS.c.owner, NOBODY)


def owned_by(owner: str | None) -> ColumnElement[bool]:
    """Whether a run is this tenant's; None where there are no tenants."""
    return OWNER.in_([owner or NOBODY])


class Claim(NamedTuple):
    """A run to work on. `now`: when it was claimed, by the database's clock. `lost_by`: the replica it was taken over
    from, whose lease ran out; None for a run that nobody held. `losses`: how many leases ran out in a row, with nothing
    new recorded of the run."""

    run_id: str
    fence: int
    now: datetime
    lost_by: str | None = None
    losses: int = 0


class Leases:
    """The leases of one replica, `holder`. `per_owner`: how many runs of one tenant are worked on at once, in all."""

    def __init__(self, engine: AsyncEngine, holder: str, seconds: float, *, per_owner: int | None = None) -> None:
        self._engine, self.holder, self.seconds, self._per_owner = engine, holder, seconds, per_owner

    async def claim(self, most: int, *, under_way: Collection[str] = ()) -> list[Claim]:
        """At most so many runs that nobody works on: queued ones, those whose lease ran out, and those of this replica
        that it does not have `under_way` any more. Tenants take turns; of one tenant's runs the oldest comes first."""
        claims: list[Claim] = []
        with answering():
            while len(claims) < most:
                ours = [*under_way, *(claim.run_id for claim in claims)]
                async with self._engine.connect() as db:
                    seen = (await db.execute(next_runs(self.holder, ours, self._per_owner).limit(1))).one_or_none()
                if seen is None:
                    break
                if claim := await self._take(seen.id, seen.fence, seen.lease_holder, seen.owner, ours):
                    claims.append(claim)
        return claims

    async def renew(self, under_way: Collection[str]) -> dict[str, int]:
        """Hold on to these runs for another lease; their fences by id. One that is missing was taken over by another
        replica, or has ended. What this replica dropped is not renewed, so that others may take it too."""
        if not under_way:
            return {}
        mine = update(RUNS).where(RUNS.c.lease_holder == self.holder, RUNS.c.id.in_(under_way), OPEN)
        longer = mine.values(lease_until=db_now() + self.seconds).returning(RUNS.c.id, RUNS.c.fence)
        with answering():
            async with self._engine.begin() as db:
                return {row.id: row.fence for row in await db.execute(longer)}

    async def release(self) -> None:
        """Let go of every run of this replica: others may take them up at once."""
        let_go = update(RUNS).where(RUNS.c.lease_holder == self.holder).values(lease_holder=None, lease_until=None)
        with answering():
            async with self._engine.begin() as db:
                for row in (await db.execute(let_go.returning(RUNS.c.id))).all():
                    await announce(db, row.id, "released")

    async def _take(
        self, run_id: str, fence: int, lost_by: str | None, owner: str | None, ours: Collection[str]
    ) -> Claim | None:
        """The run, unless another replica was quicker: the fence it was seen with decides, and for the tenant's last
        place the lock on its turn does."""
        turn = {"owner": owner or NOBODY, "taken_at": db_now()}
        ran_out = and_(RUNS.c.lease_holder.is_not(None), RUNS.c.lease_until < db_now())
        losses = RUNS.c.losses + case((ran_out, 1), else_=0)
        take = (
            update(RUNS)
            .where(RUNS.c.id == run_id, RUNS.c.fence == fence, OPEN)
            .values(lease_holder=self.holder, lease_until=db_now() + self.seconds, fence=fence + 1, losses=losses)
            .returning(db_now(), RUNS.c.losses)
        )
        async with self._engine.connect() as db:
            insert = postgres_insert if db.dialect.name == "postgresql" else sqlite_insert
            turn_taken = insert(TURNS).values(turn)
            now_again = {"taken_at": db_now()}
            await db.execute(turn_taken.on_conflict_do_update(index_elements=[TURNS.c.owner], set_=now_again))
            if self._per_owner is not None:
                count = select(func.count()).where(owned_by(owner), under_way_at(self.holder, ours))
                if (await db.execute(count)).scalar_one() >= self._per_owner:
                    return None
            taken = (await db.execute(take)).one_or_none()
            if taken is not None:
                await db.commit()
        if taken is None:
            return None
        other = lost_by if lost_by != self.holder else None
        return Claim(run_id, fence + 1, datetime.fromtimestamp(taken[0], UTC), other, taken[1])


def under_way_at(holder: str, ours: Collection[str]) -> ColumnElement[bool]:
    """Whether somebody works on a run; the one who asks knows best which are its own."""
    dropped = and_(RUNS.c.lease_holder == holder, RUNS.c.id.not_in(ours))
    return and_(OPEN, RUNS.c.lease_until >= db_now(), not_(dropped))


def next_runs(holder: str, ours: Collection[str], per_owner: int | None) -> Select:
    """The oldest free run of each tenant that has room, (id, fence, holder, owner), in the order of their turns."""
    dropped = and_(RUNS.c.lease_holder == holder, RUNS.c.id.not_in(ours))
    free = and_(OPEN, or_(RUNS.c.lease_until.is_(None), RUNS.c.lease_until < db_now(), dropped))
    heads = select(func.min(RUNS.c.number).label("number")).where(free).group_by(OWNER).subquery()
    found = select(RUNS.c.id, RUNS.c.fence, RUNS.c.lease_holder, RUNS.c.owner)
    found = found.join(heads, heads.c.number == RUNS.c.number).outerjoin(TURNS, TURNS.c.owner == OWNER)
    if per_owner is not None:
        held = select(OWNER.label("owner"), func.count().label("held")).where(under_way_at(holder, ours))
        by_owner = held.group_by(OWNER).subquery()
        found = found.outerjoin(by_owner, by_owner.c.owner == OWNER)
        found = found.where(func.coalesce(by_owner.c.held, 0) < per_owner)
    return found.order_by(func.coalesce(TURNS.c.taken_at, 0.0), RUNS.c.number)
