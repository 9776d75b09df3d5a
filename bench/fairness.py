"""In which order runs began, held against the turns that tenants take. What a turn is, the orchestrator's `leases` say.

Judged from the moment on when the last run was posted: before it, who has not posted yet cannot have begun.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.orchestrator.tables import EVENTS, RUNS

GAP, OVERTAKEN = 3, 4
"""While two tenants both wait, neither may have begun more than 3 runs more than the other; and no run may have been
passed by more than 4 younger ones of its own tenant. Turns are strict, but two replicas claim at the same time, and a
run's `started` is written a moment after its claim."""


class Begun(NamedTuple):
    """When a run was posted, and when it began; runs are numbered in the order of posting."""

    number: int
    tenant: str
    posted: datetime
    began: datetime
    ended: datetime


async def begun(engine: AsyncEngine) -> list[Begun]:
    """The runs of a journal that ended, as they began."""
    times = defaultdict[str, dict[str, datetime]](dict)
    first = select(EVENTS.c.run_id, EVENTS.c.type, func.min(EVENTS.c.at)).where(
        EVENTS.c.type.in_(["created", "started", "finished"])
    )
    async with engine.connect() as db:
        for run_id, kind, at in await db.execute(first.group_by(EVENTS.c.run_id, EVENTS.c.type)):
            times[run_id][kind] = at
        rows = (await db.execute(select(RUNS.c.number, RUNS.c.id, RUNS.c.owner))).all()
    whole = [(row, times[row.id]) for row in rows if len(times[row.id]) == 3]
    found = [Begun(row.number, row.owner or "", at["created"], at["started"], at["finished"]) for row, at in whole]
    return sorted(found, key=lambda run: run.began)


def judge(runs: Sequence[Begun], slots: int) -> dict[str, Any]:
    """`slots`: how many are worked on at a time; where that is room for all, nobody waits for a turn. `order`: the
    tenants as their runs began. `gap` and `overtaken`: the worst seen."""
    last_posted = max(run.posted for run in runs)
    judged = [run for run in runs if run.began > last_posted and slots < len(runs)]
    # What begins while there is room begins in the same moment: of it, only which runs they were is looked at.
    room = max(0, slots - (len(runs) - len(judged)))
    judged = sorted(judged[:room], key=lambda run: run.number) + judged[room:]
    return {
        "judged": len(judged),
        "gap": (gap := _gap(judged, room)),
        "overtaken": (overtaken := _overtaken(judged)),
        "ok": gap <= GAP and overtaken <= OVERTAKEN,
        "order": [run.tenant for run in runs],
        "began_before_the_last_was_posted": dict(Counter(run.tenant for run in runs if run.began <= last_posted)),
    }


def _gap(judged: Sequence[Begun], room: int) -> int:
    """By how many starts one tenant was ahead of another, both with runs that wait."""
    waiting, counts, gap = Counter(run.tenant for run in judged), Counter[str](), 0
    tenants = sorted(waiting)
    for place, run in enumerate(judged, 1):
        counts[run.tenant] += 1
        waiting[run.tenant] -= 1
        still = [counts[tenant] for tenant in tenants if waiting[tenant] > 0]
        if place >= room and still:
            gap = max(gap, max(still) - min(still))
    return gap


def _overtaken(judged: Sequence[Begun]) -> int:
    """How many younger runs of its own tenant began before a run."""
    return max(
        (
            sum(other.tenant == run.tenant and other.number > run.number for other in judged[:place])
            for place, run in enumerate(judged)
        ),
        default=0,
    )
