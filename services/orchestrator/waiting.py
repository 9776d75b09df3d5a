"""The queue as its callers see it: where a run stands in it, when it may begin, and whether there is room for another.

The order is that in which `leases` gives room: tenants take turns, the oldest of a tenant's runs comes first. The
estimate is what recent runs took, so it is no promise. Deliberately not here: giving room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from statistics import fmean
from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from interleavethinker.errors import InterleaveError
from interleavethinker.events import Status
from services.orchestrator.leases import OPEN, OWNER, owned_by
from services.orchestrator.reaching import answering
from services.orchestrator.tables import EVENTS, RUNS, TURNS, db_now

RECENT = 20
"""How many of the last finished runs the estimate looks at."""
SOONEST, UNKNOWN, LATEST = 1, 30, 300
"""Seconds after which a caller is told to ask again whom there is no room for: at least, where nothing is known of how
long runs take, and at most."""


class QueueFull(InterleaveError):
    """The tenant has as many runs waiting as it may. The member `retry_after` says when one may have begun."""

    code = "queue_full"
    status = 429
    retryable = True


class Place(NamedTuple):
    """`position` 1: the next one to begin. `starts_in`: seconds, None while nothing is known of how long runs take."""

    position: int
    starts_in: float | None


class Waiting(NamedTuple):
    """The queue at a moment: waiting runs as (id, owner), oldest first, the owners in the order of their turns, how
    many runs are worked on and by how many replicas, and the seconds that recent runs took."""

    runs: Sequence[tuple[str, str]]
    turns: Sequence[str]
    under_way: int
    replicas: int
    seconds: Sequence[float]

    def place(self, run_id: str, at_once: int) -> Place | None:
        """None for a run that does not wait. `at_once`: runs that each replica works on."""
        order = self._order()
        if run_id not in order:
            return None
        position = order.index(run_id) + 1
        slots = at_once * max(self.replicas, 1)
        ahead = position - max(slots - self.under_way, 0)  # those for whom there is room already begin at once
        return Place(position, max(0, ahead) * fmean(self.seconds) / slots if self.seconds else None)

    def _order(self) -> list[str]:
        turn = {owner: place for place, owner in enumerate(self.turns)}
        seen: dict[str, int] = defaultdict(int)
        ranked = []
        for age, (run_id, owner) in enumerate(self.runs):
            ranked.append((seen[owner], turn.get(owner, -1), age, run_id))
            seen[owner] += 1
        return [run_id for *_, run_id in sorted(ranked)]


async def waiting(engine: AsyncEngine) -> Waiting:
    """The queue as it stands."""
    queued = select(RUNS.c.id, OWNER).where(RUNS.c.status == Status.QUEUED).order_by(RUNS.c.number)
    turns = select(TURNS.c.owner).order_by(TURNS.c.taken_at)
    with answering():
        async with engine.connect() as db:
            runs = [(row[0], row[1]) for row in await db.execute(queued)]
            owners = [row[0] for row in await db.execute(turns)]
            under_way, replicas = (await db.execute(_held())).one()
            return Waiting(runs, owners, under_way, replicas, await _took(db))


def _held() -> Select:
    """How many runs are worked on, and by how many replicas."""
    return select(func.count(), func.count(RUNS.c.lease_holder.distinct())).where(OPEN, RUNS.c.lease_until >= db_now())


async def _took(db: AsyncConnection) -> list[float]:
    """The seconds that the last runs took."""
    ended = select(RUNS.c.id).where(RUNS.c.status.in_([Status.SUCCEEDED, Status.PARTIAL]))
    last = ended.order_by(RUNS.c.number.desc()).limit(RECENT).subquery()
    marks = select(EVENTS.c.run_id, EVENTS.c.type, func.max(EVENTS.c.at)).where(
        EVENTS.c.run_id.in_(select(last.c.id)), EVENTS.c.type.in_(["started", "finished"])
    )
    times = defaultdict[str, dict](dict)
    for run_id, kind, at in await db.execute(marks.group_by(EVENTS.c.run_id, EVENTS.c.type)):
        times[run_id][kind] = at
    return [(t["finished"] - t["started"]).total_seconds() for t in times.values() if len(t) == 2]


async def leave_room(db: AsyncConnection, owner: str | None, most: int | None) -> None:
    """Raises QueueFull where more than `most` of the tenant's runs wait, the one that this transaction adds among
    them."""
    if most is None:
        return
    count = select(func.count()).where(owned_by(owner), RUNS.c.status == Status.QUEUED)
    if (await db.execute(count)).scalar_one() > most:
        raise QueueFull(
            f"{most} runs wait already, as many as may: ask again when one has begun, or cancel one",
            retry_after=await _room_in(db),
        )


async def _room_in(db: AsyncConnection) -> int:
    """Seconds until one of a tenant's waiting runs may have begun: as often as a run ends, one of the tenants that wait
    has its turn."""
    if not (took := await _took(db)):
        return UNKNOWN
    under_way, _ = (await db.execute(_held())).one()
    waiting_owners = select(func.count(OWNER.distinct())).where(RUNS.c.status == Status.QUEUED)
    tenants = (await db.execute(waiting_owners)).scalar_one()
    return round(min(max(fmean(took) * tenants / max(under_way, 1), SOONEST), LATEST))


def positions(found: Waiting, run_ids: Collection[str], at_once: int) -> dict[str, Place]:
    """The places of these runs, where they wait."""
    return {run_id: place for run_id in run_ids if (place := found.place(run_id, at_once))}
