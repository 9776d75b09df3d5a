"""`python -m bench.soak`: half an hour of mixed traffic on a house of real processes, then what is left of it.

Warm, idle, weighed; traffic of every sort (`traffic`); drained, expired, idle again, weighed again. Judged by
tolerances that are written in `judged`. Writes `bench/results/soak.json` and a picture beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench import judged, plots
from bench.calls import Calls
from bench.house import PACE, House
from bench.samples import Samples, Watched, server_errors
from bench.traffic import Traffic
from services.orchestrator.access import Permission
from services.orchestrator.keys import Keys

RESULTS = Path(__file__).parent / "results" / "soak.json"
TENANTS = ("alice", "bob")
SHOWN_SAMPLES = 200
AT_MOST = 60
"""So many callers at a time: when the house is slow, the next ones stay away."""


class Shape(NamedTuple):
    """`seconds` of traffic, a caller every `every` seconds on average, a sample every `look` seconds. `warm`: seconds
    of traffic before the first weighing. `record`: seconds for which the generator keeps a job's record in
    Redis. `looks`: how often an idle house is looked at before it is weighed."""

    seconds: float = 1800.0
    every: float = 3.0
    look: float = 10.0
    warm: float = 40.0
    record: int = 90
    pace: float = 0.5
    seed: int = 4
    looks: int = 2


def furnished(home: Path, shape: Shape, *, postgres: bool) -> House:
    """A house whose records in Redis expire while one watches. Leases as they are by default."""
    more = {
        "ORCHESTRATOR__RUNS_AT_ONCE": "8",
        "GENERATOR__LEASE_SECONDS": "5",
        "GENERATOR__RECORD_SECONDS": str(shape.record),
        PACE: str(shape.pace),
    }
    return furnished_with(home, more, postgres=postgres)


def furnished_with(home: Path, more: Mapping[str, str], *, postgres: bool) -> House:
    """A house with keys for tenants."""
    own = {"ORCHESTRATOR__AUTH": "keys", "ORCHESTRATOR__LEASE_SECONDS": "10", "LOG__LEVEL": "warning"}
    return House(home, postgres=postgres, more=own | dict(more))


async def keys_of(house: House, tenants: tuple[str, ...]) -> dict[str, str]:
    """An API key for each."""
    async with Keys(house.journal) as keys:
        may = [Permission.READ, Permission.WRITE]
        return {tenant: (await keys.create(tenant, may))[1] for tenant in tenants}


async def soak(house: House, shape: Shape, progress: float = 60.0) -> dict[str, Any]:
    """Do it; the result."""
    tenants = await keys_of(house, TENANTS)
    calls = Calls([house.url(part.name) for part in house.orchestrators], tenants)
    traffic = Traffic(calls, TENANTS, shape.seed)
    samples = Samples(watched(house), house.home / "samples.jsonl")
    chance = random.Random(shape.seed)
    try:
        await _busy(traffic, shape.warm, shape.every / 2, chance)
        await _idle(samples, calls, shape)
        before = await samples.take("before")
        _say(samples, traffic, calls)
        looking = asyncio.create_task(samples.keep_taking("traffic", shape.look))
        telling = asyncio.create_task(_tell(samples, traffic, calls, progress))
        await _busy(traffic, shape.seconds, shape.every, chance)
        await stop(looking, telling)
        print("    traffic is over; waiting for the records in Redis to expire", flush=True)
        await _expired(samples, shape)
        await _idle(samples, calls, shape)
        after = await samples.take("after")
        _say(samples, traffic, calls)
        keys = samples.keys_left()
    finally:
        await samples.close()
        await calls.close()
    seen = await judged.runs(house.journal, str(house.blobs), _left_or_canceled(traffic))
    return result(house, shape, samples, traffic, seen, before, after, keys)


def result(
    house: House, shape: Shape, samples: Samples, traffic: Traffic, seen: dict[str, Any], before: Any, after: Any,
    keys: dict[str, float],
) -> dict[str, Any]:  # fmt: skip
    """Everything, as the file has it."""
    under_way = [sample for sample in samples.taken if sample["phase"] == "traffic"]
    memory = {name: judged.memory(under_way, name) for name in before["parts"]}
    open_ = judged.left_open(before, after)
    left = judged.keys_left(keys)
    errors = server_errors(before, after)
    unexpected = traffic.calls.unexpected
    found = judged.problems(
        seen=seen, unexpected=unexpected, memory=memory, open_=open_, keys=left, server_errors=errors
    )
    took = under_way[-1]["at"] - under_way[0]["at"] if under_way else 0.0
    busy = {
        name: round((under_way[-1]["parts"][name]["cpu"] - under_way[0]["parts"][name]["cpu"]) / took, 4)
        for name in before["parts"]
        if took
    }
    thinned = samples.taken[:: max(1, len(samples.taken) // SHOWN_SAMPLES)]
    return {
        "ok": not found,
        "problems": found,
        "shape": shape._asdict() | {"tenants": len(TENANTS), "orchestrators": len(house.orchestrators)},
        "tolerances": {
            "growth_share": judged.GROWTH_SHARE,
            "growth_least_mb": judged.GROWTH_LEAST / 2**20,
            "more_files": judged.MORE_FILES,
            "more_threads": judged.MORE_THREADS,
            "more_tasks": judged.MORE_TASKS,
        },
        "traffic_seconds": round(took, 1),
        "callers": dict(sorted(traffic.done.items())),
        "calls": traffic.calls.table(),
        "runs": {name: value for name, value in seen.items() if name != "broken"} | {"broken": len(seen["broken"])},
        "server_errors": errors,
        "memory": memory,
        "left_open": open_,
        "cores_used": busy | {"sum": round(sum(busy.values()), 3)},
        "redis": {
            "before": before["redis"],
            "most": _most(under_way),
            "after": after["redis"],
            **left,
            "keys": dict(sorted(keys.items())),
        },
        "journal": {"before": before["journal"], "after": after["journal"]},
        "blobs": judged.blobs_left(house.blobs, seen["pictures_named"]),
        "samples": thinned,
    }


def watched(house: House) -> Watched:
    """All parts of a house but the stand-in for models."""
    parts = {name: part.process.pid for name, part in house.parts.items() if part.process and name != "chat"}
    if house.postgres:
        parts["postgres"] = house.postgres.pid
    serving = [name for name in parts if name in house.ports and name != "redis"]
    return Watched(parts, {name: house.url(name) for name in serving}, house.redis_url, house.journal, house.blobs)


def _left_or_canceled(traffic: Traffic) -> Any:
    return lambda run_id: run_id in traffic.canceled


async def _busy(traffic: Traffic, seconds: float, every: float, chance: random.Random) -> None:
    """Callers come for so long; returns when the last of them has left."""
    callers, ends = set[asyncio.Task[None]](), time.monotonic() + seconds
    while time.monotonic() < ends:
        if len(callers) < AT_MOST:
            caller = asyncio.create_task(traffic.act())
            callers.add(caller)
            caller.add_done_callback(callers.discard)
        await asyncio.sleep(min(chance.expovariate(1 / every), max(0.0, ends - time.monotonic())))
    await asyncio.gather(*callers)


async def _idle(samples: Samples, calls: Calls, shape: Shape) -> None:
    """Until no run is open, and the connections that are kept for a while have been dropped: one more look at each
    service lets their clients see so."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        runs = (await samples.take("drain"))["runs"]
        if not runs.get("queued") and not runs.get("processing"):
            break
        await asyncio.sleep(2.0)
    else:
        calls.unexpected.append("runs are open 300 s after the last caller left")
    for _ in range(shape.looks):
        await asyncio.sleep(7.0)
        for _ in range(2):  # each orchestrator's turn: it asks the other services whether they are ready
            await calls.call("readyz", "GET", "/readyz")
    await asyncio.sleep(3.0)


async def _expired(samples: Samples, shape: Shape) -> None:
    """Until no job's record is left, or should not be."""
    deadline = time.monotonic() + shape.record + 60
    while time.monotonic() < deadline:
        sample = await samples.take("expiry")
        if not sample["redis"]["keys"].get("generator:job"):
            return
        await asyncio.sleep(min(shape.look, 5.0))


async def _tell(samples: Samples, traffic: Traffic, calls: Calls, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        if samples.taken:
            _say(samples, traffic, calls)


def _say(samples: Samples, traffic: Traffic, calls: Calls) -> None:
    last = samples.taken[-1]
    megabytes = {name: round(part["rss"] / 2**20) for name, part in last["parts"].items()}
    tasks = {name: part["tasks"] for name, part in last["parts"].items() if "tasks" in part}
    files = {name: part["files"] for name, part in last["parts"].items()}
    print(
        f"{last['at']:7.0f} s  {sum(traffic.done.values())} callers, {len(calls.made)} calls, runs {last['runs']}, "
        f"MB {megabytes}, files {files}, tasks {tasks}, redis {last['redis']['keys']}, "
        f"unexpected {len(calls.unexpected)}",
        *calls.unexpected[-1:],
        flush=True,
    )


def _most(samples: list[Any]) -> dict[str, int]:
    """The most keys of each kind at any look, and the most bytes."""
    found: dict[str, int] = {"bytes": max((sample["redis"]["bytes"] for sample in samples), default=0)}
    for sample in samples:
        for kind, number in sample["redis"]["keys"].items():
            found[kind] = max(found.get(kind, 0), number)
    return found


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


def run(home: Path, shape: Shape, *, postgres: bool = True) -> dict[str, Any]:
    """A house, soaked, and taken down."""
    house = furnished(home, shape, postgres=postgres)
    try:
        house.start()
        return asyncio.run(soak(house, shape))
    finally:
        house.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Shape().seconds, help="of traffic")
    parser.add_argument("--every", type=float, default=Shape().every, help="seconds between callers, on average")
    parser.add_argument("--journal", choices=("postgres", "sqlite"), default="postgres")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--home", type=Path, help="keep the logs and samples here")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # orderly: nothing stays behind
    home = chosen.home or Path(tempfile.mkdtemp(prefix="interleavethinker-soak-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)  # Postgres' user must get through
    shape = Shape(seconds=chosen.seconds, every=chosen.every)
    found = run(home, shape, postgres=chosen.journal == "postgres")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(found, indent=1) + "\n")
    plots.soak(found, chosen.out.with_suffix(".png"))
    print(*found["problems"], sep="\n")
    print(f"{'ok' if found['ok'] else 'NOT ok'}; {chosen.out}; logs and samples in {home}")
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
