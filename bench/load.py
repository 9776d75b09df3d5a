"""`python -m bench.load`: 200 documents at once, on stand-in models and on the real small ones; what came of them, how
long calls took, what it weighed, and in which order they began.

Three trials, each on a fresh house: `queue` (all posted at once by three tenants, some worked on at a time), `wide`
(all worked on at the same time), `small` (the local stack with the small models, a few in flight). Writes
`bench/results/load.json` and a picture beside it.
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
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench import fairness, judged, local, plots
from bench.calls import Calls, percentile
from bench.house import PACE, House
from bench.samples import Samples, Watched, server_errors
from bench.soak import furnished_with, keys_of, stop, watched
from interleavethinker.events import Status
from services.orchestrator.tables import open_engine

RESULTS = Path(__file__).parent / "results" / "load.json"
TRIALS = ("queue", "wide", "small")
SHARES = {"alice": 0.6, "bob": 0.3, "carol": 0.1}
"""Of the documents, in the order of posting: first come, first served would let carol wait for all others."""
MAY_GROW_MB = 64
"""Memory is bounded when no process of ours is ever larger than idle by more than this, with 200 documents in flight.
Postgres, a process for each connection, is as large as the replicas' pools make it; it is told and not judged."""
END_SECONDS = 1200.0
POLL_SECONDS = 15.0
PLACES = 5
"""Of so many callers, one streams its POST, one follows by GET, the others ask now and then."""


class Shape(NamedTuple):
    """`documents` in all, `in_flight` of them (None: all) posted and not ended, `at_once` worked on by each replica.
    `seconds`: after so long no further one is posted."""

    name: str
    documents: int = 200
    in_flight: int | None = None
    at_once: int = 16
    pace: float = 0.25
    look: float = 5.0
    seconds: float = 420.0


SHAPES = {
    "queue": Shape("queue"),
    "wide": Shape("wide", at_once=100, pace=0.25),
    "small": Shape("small", in_flight=8, at_once=4),
}


class Callers:
    """Each posts a document and stays with it to its end, in one of three ways."""

    def __init__(self, calls: Calls, asks: Sequence[tuple[str, dict[str, Any]]], shape: Shape) -> None:
        self.calls, self._asks, self._shape = calls, asks, shape
        self.statuses: Counter[str] = Counter()
        self.posted = 0

    async def all(self) -> None:
        """Posts them all; returns when each has ended."""
        room = asyncio.Semaphore(self._shape.in_flight or len(self._asks))
        ends = time.monotonic() + self._shape.seconds

        async def one(place: int, tenant: str, ask: dict[str, Any]) -> None:
            async with room:
                if time.monotonic() < ends:
                    self.posted += 1
                    await self._one(place, tenant, ask)

        await asyncio.gather(*(one(place, tenant, ask) for place, (tenant, ask) in enumerate(self._asks)))

    async def _one(self, place: int, tenant: str, ask: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(END_SECONDS):
                self.statuses[await self._way(place)(tenant, ask)] += 1
        except Exception as error:  # one caller's surprise is a finding, not the end of the others
            self.statuses["lost"] += 1
            self.calls.unexpected.append(f"document {place}: {type(error).__name__}: {error}")

    def _way(self, place: int) -> Callable[..., Any]:
        return {0: self._streams, 1: self._follows}.get(place % PLACES, self._asks_again)

    async def _streams(self, tenant: str, ask: dict[str, Any]) -> str:
        async with self.calls.stream("POST, streaming", "POST", "/interleave", tenant=tenant, json=ask) as events:
            return await self._to_the_end(events)

    async def _follows(self, tenant: str, ask: dict[str, Any]) -> str:
        run_id = await self._post(tenant, ask)
        async with self.calls.stream("events", "GET", f"/interleave/{run_id}/events", tenant=tenant) as events:
            return await self._to_the_end(events)

    async def _to_the_end(self, events: Any) -> str:
        seen, last = list[int](), ""
        async for event in events:
            seen.append(int(event.id))
            last = event.data
        if seen != list(range(1, len(seen) + 1)):
            self.calls.unexpected.append(f"events came as {seen}")
        return str(json.loads(last)["event"]["status"])

    async def _asks_again(self, tenant: str, ask: dict[str, Any]) -> str:
        """Reads the document now and then, and at its end the list, and a picture."""
        run_id, chance = await self._post(tenant, ask), random.Random(ask["seed"])
        while True:
            await asyncio.sleep(POLL_SECONDS * chance.uniform(0.5, 1.5))
            answer = await self.calls.call("GET, document", "GET", f"/interleave/{run_id}", tenant=tenant)
            if answer is None or not answer.is_success:
                continue
            document = answer.json()
            if Status(document["status"]).final:
                break
        await self.calls.call("GET, list", "GET", "/interleave?limit=20", tenant=tenant)
        for digest in list(document["images"])[-1:]:
            await self.calls.call("GET, picture", "GET", f"/interleave/{run_id}/images/{digest}", tenant=tenant)
        return str(document["status"])

    async def _post(self, tenant: str, ask: dict[str, Any]) -> str:
        answer = await self.calls.call("POST", "POST", "/interleave", tenant=tenant, json=ask, expect=(202,))
        if answer is None or answer.status_code != 202:
            raise RuntimeError("it was not taken")
        return str(answer.json()["id"])


async def trial(
    shape: Shape, watch: Watched, calls: Calls, asks: Sequence[tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    """One house under load; the result."""
    samples = Samples(watch, watch.blobs.parent / "samples.jsonl")
    callers = Callers(calls, asks, shape)
    idle = await samples.take("idle")
    looking = asyncio.create_task(samples.keep_taking("load", shape.look))
    telling = asyncio.create_task(_tell(samples, callers))
    began = time.monotonic()
    try:
        await callers.all()
        took = time.monotonic() - began
        await stop(looking, telling)
        last = await samples.take("end")
    finally:
        await samples.close()
        await calls.close()
    engine = open_engine(watch.journal)
    runs = await fairness.begun(engine)
    await engine.dispose()
    with (watch.blobs.parent / "calls.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(call) + "\n" for call in calls.made)
    seen = await judged.runs(watch.journal, str(watch.blobs))
    return _result(shape, samples, callers, seen, runs, idle, last, took)


def _result(
    shape: Shape, samples: Samples, callers: Callers, seen: dict[str, Any], runs: list[fairness.Begun], idle: Any,
    last: Any, took: float,
) -> dict[str, Any]:  # fmt: skip
    most = {name: max(each["parts"][name]["rss"] for each in samples.taken) / 2**20 for name in idle["parts"]}
    memory = {
        name: {
            "idle_mb": round(part["rss"] / 2**20, 1),
            "most_mb": round(most[name], 1),
            **{f"most_{what}": _most(samples, name, what) for what in ("files", "threads", "tasks") if what in part},
        }
        for name, part in idle["parts"].items()
    }
    ours = [name for name in memory if name != "postgres"]
    grown = [name for name in ours if memory[name]["most_mb"] - memory[name]["idle_mb"] > MAY_GROW_MB]
    fair = fairness.judge(runs, shape.at_once * sum(name in idle["parts"] for name in ("orchestrator", "one", "two")))
    errors = server_errors(idle, last)
    found = [f"{run_id}: {'; '.join(wrong)}" for run_id, wrong in seen["broken"].items()]
    found += callers.calls.unexpected
    found += [f"{name} grew from {memory[name]['idle_mb']} to {memory[name]['most_mb']} MB" for name in grown]
    found += [f"the order was not fair: gap {fair['gap']}, overtaken {fair['overtaken']}"] if not fair["ok"] else []
    found += [f"{errors} answers of the services were 5xx"] if errors else []
    found += [f"{callers.posted} posted, {seen['runs']} in the journal"] if callers.posted != seen["runs"] else []
    first = min(run.posted for run in runs)
    return {
        "ok": not found,
        "problems": found,
        "shape": shape._asdict(),
        "posted": callers.posted,
        "seconds": round(took, 1),
        "documents_per_minute": round(seen["statuses"].get("succeeded", 0) / took * 60, 1),
        "seen_by_callers": dict(callers.statuses),
        "runs": {name: value for name, value in seen.items() if name != "broken"} | {"broken": len(seen["broken"])},
        "document_seconds": {
            "from_post": _spread([(run.ended - run.posted).total_seconds() for run in runs]),
            "from_start": _spread([(run.ended - run.began).total_seconds() for run in runs]),
        },
        "most_under_way": _most_at_once(runs),
        "calls": callers.calls.table(),
        "server_errors": errors,
        "memory": memory,
        "fairness": fair,
        "starts": [[round((run.began - first).total_seconds(), 2), run.tenant] for run in runs],
        "ends": sorted(round((run.ended - first).total_seconds(), 2) for run in runs),
        "samples": samples.taken,
    }


def _most(samples: Samples, name: str, what: str) -> int:
    return max(each["parts"][name][what] for each in samples.taken)


def _spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {f"p{percent}": round(percentile(ordered, percent), 1) for percent in (50, 95, 99)}


def _most_at_once(runs: Sequence[fairness.Begun]) -> int:
    """How many runs were worked on at the same time, at most."""
    changes = sorted([(run.began, 1) for run in runs] + [(run.ended, -1) for run in runs])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


async def _tell(samples: Samples, callers: Callers, every: float = 20.0) -> None:
    while True:
        await asyncio.sleep(every)
        last = samples.taken[-1]
        sizes = {name: round(part["rss"] / 2**20) for name, part in last["parts"].items()}
        print(f"{last['at']:7.0f} s  runs {last['runs']}, MB {sizes}, {len(callers.calls.made)} calls", flush=True)


def standing_in(home: Path, shape: Shape, *, postgres: bool = True) -> dict[str, Any]:
    """A house over stand-in models, loaded by three tenants."""
    settings = {
        "ORCHESTRATOR__RUNS_AT_ONCE": str(shape.at_once),
        "GENERATOR__LEASE_SECONDS": "5",
        PACE: str(shape.pace),
    }
    house: House = furnished_with(home, settings, postgres=postgres)
    asks: list[tuple[str, dict[str, Any]]] = []
    for tenant, share in SHARES.items():
        for _ in range(round(shape.documents * share)):
            number = len(asks) + 1
            asks.append((tenant, {"prompt": f"how to build snowman {number}", "seed": number, "max_attempts": 3}))

    async def whole() -> dict[str, Any]:
        keys = await keys_of(house, tuple(SHARES))
        calls = Calls([house.url(part.name) for part in house.orchestrators], keys)
        return await trial(shape, watched(house), calls, asks)

    try:
        house.start()
        return asyncio.run(whole())
    finally:
        house.stop()


def small_models(home: Path, shape: Shape) -> dict[str, Any]:
    """The local stack, asked for documents of the small world."""
    asks = [
        ("", {"prompt": request, "seed": number}) for number, request in enumerate(local.requests(shape.documents, 4))
    ]
    settings = {"ORCHESTRATOR__RUNS_AT_ONCE": str(shape.at_once), "LOG__LEVEL": "warning"}
    with local.up(home, settings) as stack:
        return asyncio.run(trial(shape, stack.watched, Calls([stack.url]), asks))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--only", choices=TRIALS, action="append", help="may be given again; the others' results stay")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--home", type=Path, help="keep the logs and samples here")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # orderly: nothing stays behind
    home = chosen.home or Path(tempfile.mkdtemp(prefix="interleavethinker-load-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)  # Postgres' user must get through
    results: dict[str, Any] = json.loads(chosen.out.read_text()) if chosen.only and chosen.out.exists() else {}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    for name in chosen.only or TRIALS:
        shape = SHAPES[name]._replace(documents=chosen.documents)
        print(f"    {name}: {shape}", flush=True)
        found = (small_models if name == "small" else standing_in)(home / name, shape)
        results[name] = found
        chosen.out.write_text(json.dumps(results, indent=1) + "\n")
        print(*found["problems"][:20], sep="\n")
        print(
            f"    {name}: {'ok' if found['ok'] else 'NOT ok'}, {found['runs']}, {found['seconds']} s, gap "
            f"{found['fairness']['gap']}, overtaken {found['fairness']['overtaken']}",
            flush=True,
        )
    plots.load(results, chosen.out.with_suffix(".png"))
    print(f"{chosen.out}; logs and samples in {home}")
    sys.exit(0 if all(each["ok"] for each in results.values()) else 1)


if __name__ == "__main__":
    main()
