"""What is made of what was seen: whether runs were lost, memory grew, or anything was left behind.

The tolerances are said here, before any run. Deliberately not here: seeing (`samples`, `calls`) and showing (`plots`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from sqlalchemy import select

from bench.invariants import SUCCEEDED, broken, lost_pictures
from bench.samples import Sample, pictures
from interleavethinker.blobs import open_blobs
from interleavethinker.events import Drawn, Status
from interleavethinker.http import tenant as for_whom
from interleavethinker.settings import BlobSettings
from services.orchestrator.journal import Journal
from services.orchestrator.tables import RUNS

GROWTH_SHARE, GROWTH_LEAST = 0.02, 2 * 2**20
"""Memory is flat when the line through a process's RSS in the second half of the traffic rises, over that half, by no
more than 2% of the process or 2 MiB, whichever is more. Half an hour of traffic: 15 minutes, some hundred documents."""
JUDGED_SECONDS = 300.0
"""A shorter second half says nothing of memory, and is not judged."""
MORE_FILES, MORE_THREADS, MORE_TASKS = 5, 8, 2
"""By so many may a process have more afterwards, idle, than it had before, idle and warm: connections that are kept
open for a while, and threads of pools that are not yet full. Postgres is judged
by its processes (connections) alone: the files of tables it keeps open as it likes."""
STAYS = ("generator:worker", "generator:workers", "generator:lease", "generator:endings")
"""What the generator keeps in Redis while a worker lives, however little there is to draw."""


async def runs(
    journal_url: str, blobs_url: str, may_be_canceled: Callable[[str], bool] = lambda _: False
) -> dict[str, Any]:
    """Each run of the journal, held against the invariants."""
    journal, blobs = Journal(journal_url), open_blobs(BlobSettings(url=blobs_url))
    wrong, named, statuses, drawn = dict[str, list[str]](), set[tuple[str | None, str]](), Counter[str](), 0
    try:
        async with journal.engine.connect() as db:
            rows = (await db.execute(select(RUNS.c.id, RUNS.c.owner, RUNS.c.status).order_by(RUNS.c.number))).all()
        for run_id, owner, status in rows:
            statuses[Status(status).value] += 1
            ends = {*SUCCEEDED, Status.CANCELED} if may_be_canceled(run_id) else SUCCEEDED
            events = await journal.events(run_id)
            for_whom.set(owner)
            if found := broken(events, ends=ends) + await lost_pictures(events, blobs):
                wrong[run_id] = found
            made = [each.event.drawing.image.digest for each in events if isinstance(each.event, Drawn)]
            named |= {(owner, digest) for digest in made}
            drawn += len(made)
    finally:
        for_whom.set(None)
        await journal.engine.dispose()
    return {
        "runs": len(rows),
        "statuses": dict(statuses),
        "drawings": drawn,
        "pictures_named": len(named),
        "broken": wrong,
    }


def memory(samples: Sequence[Sample], name: str) -> dict[str, Any]:
    """How a process's memory went while there was traffic; `flat` is None where the time was too short to say."""
    times = [sample["at"] for sample in samples if name in sample["parts"]]
    sizes = [sample["parts"][name]["rss"] for sample in samples if name in sample["parts"]]
    if len(times) < 4:
        return {"flat": None}
    middle = (times[0] + times[-1]) / 2
    half = [(at, size) for at, size in zip(times, sizes, strict=True) if at >= middle]
    slope, span = slope_of(half), times[-1] - middle
    may = max(GROWTH_SHARE * median(size for _, size in half), GROWTH_LEAST)
    return {
        "first_mb": _mb(sizes[0]),
        "middle_mb": _mb(half[0][1]),
        "last_mb": _mb(sizes[-1]),
        "most_mb": _mb(max(sizes)),
        "slope_mb_per_hour": _mb(slope * 3600),
        "growth_mb": _mb(slope * span),
        "may_grow_mb": _mb(may),
        "flat": None if span < JUDGED_SECONDS else slope * span <= may,
    }


def slope_of(points: Sequence[tuple[float, float]]) -> float:
    """Of the line through them by least squares."""
    x, y = fmean(at for at, _ in points), fmean(value for _, value in points)
    spread = sum((at - x) ** 2 for at, _ in points)
    return sum((at - x) * (value - y) for at, value in points) / spread if spread else 0.0


def left_open(before: Sample, after: Sample) -> dict[str, dict[str, Any]]:
    """Each process's open files, threads and tasks, idle before and idle after, and whether that is too many."""
    limits = {"files": MORE_FILES, "threads": MORE_THREADS, "tasks": MORE_TASKS}
    found: dict[str, dict[str, Any]] = {}
    for name, was in before["parts"].items():
        now = after["parts"].get(name, {})
        weighed = [what for what in limits if was.get(what) is not None and (name, what) != ("postgres", "files")]
        row = {what: [was[what], now.get(what)] for what in weighed}
        ok = bool(now) and all(is_ is not None and is_ - was_ <= limits[what] for what, (was_, is_) in row.items())
        found[name] = row | {"ok": ok}
    return found


def keys_left(keys: Mapping[str, float], namespace: str = "generator") -> dict[str, Any]:
    """What is in Redis after everything has expired: how many keys, and those that nobody expects there."""
    known = [name.replace("generator", namespace, 1) for name in STAYS]

    def expected(key: str) -> bool:
        return any(key == name or key.startswith(f"{name}:") for name in known) or "_kombu.binding" in key

    return {"left": len(keys), "unexplained": sorted(key for key in keys if not expected(key))}


def blobs_left(blobs: Any, named: int) -> dict[str, int]:
    """Pictures in the store, and how many of them no event names: drawn for a run that was canceled meanwhile."""
    stored = len(pictures(blobs))
    return {"stored": stored, "named": named, "unnamed": stored - named}


def problems(
    *, seen: Mapping[str, Any], unexpected: Collection[str], memory: Mapping[str, Mapping[str, Any]],
    open_: Mapping[str, Mapping[str, Any]], keys: Mapping[str, Any], server_errors: int,
) -> list[str]:  # fmt: skip
    """What does not hold, in words; empty when all does."""
    found = [f"{run_id}: {'; '.join(wrong)}" for run_id, wrong in seen["broken"].items()]
    found += list(unexpected)
    found += [
        f"{name}: memory grew by {row['growth_mb']} MB in the second half, {row['may_grow_mb']} MB may be"
        for name, row in memory.items()
        if row["flat"] is False
    ]
    found += [f"{name}: left open, before and after: {row}" for name, row in open_.items() if not row["ok"]]
    if keys["unexplained"]:
        found.append(f"Redis keys that stay: {keys['unexplained'][:20]}")
    if server_errors:
        found.append(f"{server_errors} answers of the services were 5xx")
    return found


def _mb(size: float) -> float:
    return round(size / 2**20, 2)
