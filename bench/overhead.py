"""The orchestrator's own time for each event, on SQLite and on Postgres, and what 500 runs at once in one process
weigh. `make bench`; the result is bench/results/overhead.json.

The models answer at once, so all that is left is the loop's own work: claiming, recording, and what the journal waits
for the disk. `cpu_ms`: this process' processor time (SQLite's own work is in it, Postgres' is not); `ms`: by the
clock, a run alone, the followers of a run not counted. Memory is the whole process': its peak while all runs are
under way. Deliberately not here: HTTP between the rooms, and calls of the API (`load`)."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Self

import psutil
from sqlalchemy import ColumnElement, Engine
from sqlalchemy import event as sa_event

from bench.documents import END_SECONDS, Told, asking
from bench.latencies import PROFILES, percentile
from bench.standins import LanguageGpu, StandInCritic, StandInGenerator, StandInPlanner
from interleavethinker.events import Event, Recorded
from interleavethinker.postgres_server import PostgresServer
from services.orchestrator import appending
from services.orchestrator.journal import _append as stepwise
from services.orchestrator.metrics import UNDER_WAY
from services.orchestrator.runs import Runs
from services.orchestrator.statuses import FINAL
from services.orchestrator.tables import RUNS

STEPS, ACCEPTANCE = 8, 0.7
MEMORY_STEPS = 3
SAMPLE_SECONDS = 0.2


class Timed(Told):
    """Also keeps how long each event took to be recorded."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.seconds: list[float] = []

    async def append(self, run_id: str, event: Event, *, fence: int | None = None) -> Recorded:
        began = time.perf_counter()
        recorded = await super().append(run_id, event, fence=fence)
        self.seconds.append(time.perf_counter() - began)
        return recorded


class Stepwise(Timed):
    """The baseline: an event recorded by a transaction of several statements, as wishes of callers still are."""

    async def _committed(self, run_id: str, event: Event, fence: int | None) -> appending.Told | None:
        where: ColumnElement[bool] = RUNS.c.status.not_in(FINAL)
        where = where & (RUNS.c.fence == fence) if fence is not None else where
        async with self._writing() as db:
            told = await stepwise(db, run_id, [event], where)
        return appending.Told(told[0].seq, told[0].at) if told else None


class Counted:
    """Statements sent and transactions committed by this process meanwhile, the one-statement ones included; pings of
    pooled connections are not."""

    def __enter__(self) -> Self:
        self.statements = self.commits = 0
        sa_event.listen(Engine, "before_cursor_execute", self._stated)
        sa_event.listen(Engine, "commit", self._committed)
        return self

    def __exit__(self, *_: object) -> None:
        sa_event.remove(Engine, "before_cursor_execute", self._stated)
        sa_event.remove(Engine, "commit", self._committed)

    def _stated(self, *_: object) -> None:
        self.statements += 1

    def _committed(self, _: object) -> None:
        self.commits += 1


async def an_event(journal: Timed, documents: int) -> dict[str, Any]:
    """Milliseconds an event, of documents made one after the other by models that take no time."""
    profile = PROFILES[0].paced(0.0)
    gpu = LanguageGpu(profile)
    async with journal, StandInGenerator(profile, workers=1) as generator:
        runs = _runs(journal, gpu, generator, at_once=1)
        await _make(runs, journal, 0)  # one that warms everything up
        journal.seconds.clear()
        with Counted() as counted:
            cpu, began = time.process_time(), time.perf_counter()
            for number in range(1, documents + 1):
                await _make(runs, journal, number)
            cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
        count = len(journal.seconds)
        found = {
            "events": count,
            "cpu_ms": round(1000 * cpu / count, 2),
            "ms": round(1000 * seconds / count, 2),
            "record_ms": {f"p{p}": round(1000 * percentile(journal.seconds, p / 100), 2) for p in (50, 95)},
            "statements": round(counted.statements / count, 2),
            "commits": round(counted.commits / count, 2),
        }
        await runs.close()
    return found


async def _make(runs: Runs, journal: Timed, number: int) -> None:
    journal.ended.clear()
    await runs.start(asking(number, ACCEPTANCE, STEPS))
    async with asyncio.timeout(END_SECONDS):
        await journal.ended.wait()


async def beside(url: Callable[[str], str], documents: int, repeats: int) -> dict[str, Any]:
    """Ours beside the baseline, by turns; medians over the repeats, and the ratios of each pair's."""
    pairs = []
    for number in range(repeats):
        pairs.append(
            (
                await an_event(Stepwise(url(f"before{number}")), documents),
                await an_event(Timed(url(f"ours{number}")), documents),
            )
        )
        print(*pairs[-1], sep="\n", flush=True)
    found: dict[str, Any] = {"n": repeats, "baseline": _middle([a for a, _ in pairs])}
    found |= _middle([b for _, b in pairs])
    ratios = {key: round(median(b[key] / a[key] for a, b in pairs), 3) for key in ("cpu_ms", "ms")}
    ratios["record_p50"] = round(median(b["record_ms"]["p50"] / a["record_ms"]["p50"] for a, b in pairs), 3)
    return found | {"of_baseline": ratios}


def _middle(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    middle = {key: round(median(each[key] for each in found), 2) for key in found[0] if key != "record_ms"}
    record = {key: round(median(each["record_ms"][key] for each in found), 2) for key in found[0]["record_ms"]}
    return middle | {"record_ms": record}


async def memory(url: str, runs_at_once: int, seconds: float) -> dict[str, Any]:
    """MiB of this process before, and at most while so many runs are under way, each on models that take a while.

    After `seconds` the rest is left undone, which the result says: what is asked is what they weigh together."""
    profile = PROFILES[0]
    gpu, me = LanguageGpu(profile, cards=runs_at_once), psutil.Process()
    async with Told(url) as journal, StandInGenerator(profile, workers=runs_at_once) as generator:
        runs = _runs(journal, gpu, generator, at_once=runs_at_once)
        before = me.memory_info().rss
        began = time.perf_counter()
        samples: list[tuple[float, int, float]] = []

        async def sample() -> None:
            while True:
                at_work = int(next(iter(UNDER_WAY.collect())).samples[0].value)
                samples.append((round(time.perf_counter() - began, 1), at_work, me.memory_info().rss / 2**20))
                await asyncio.sleep(SAMPLE_SECONDS)

        sampling = asyncio.create_task(sample())
        for number in range(runs_at_once):
            await runs.start(asking(number, ACCEPTANCE, MEMORY_STEPS))
        started = time.perf_counter() - began
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while journal.ends < runs_at_once:
                    journal.ended.clear()
                    await journal.ended.wait()
        sampling.cancel()
        ended = journal.ends
        await runs.close()
    peak = max(at_work for _, at_work, _ in samples)
    most = max(mib for *_, mib in samples)
    return {
        "runs": runs_at_once,
        "at_work_at_once": peak,
        "ended": ended,
        "seconds_to_start": round(started, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "mib_before": round(before / 2**20, 1),
        "mib_most": round(most, 1),
        "mib_most_while_all_at_work": round(max(mib for _, at_work, mib in samples if at_work == peak), 1),
        "kib_a_run": round((most - before / 2**20) * 1024 / runs_at_once, 1),
        "samples": [(at, at_work, round(mib, 1)) for at, at_work, mib in samples[:: max(1, len(samples) // 40)]],
    }


def _runs(journal: Told, gpu: LanguageGpu, generator: StandInGenerator, *, at_once: int) -> Runs:
    planner, critic = StandInPlanner(gpu, STEPS), StandInCritic(gpu, stop_on_accept=True)
    return Runs(journal, planner=planner, critic=critic, generator=generator, at_once=at_once, lease_seconds=60)


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.overhead", description=__doc__)
    asked.add_argument("--documents", type=int, default=20)
    asked.add_argument("--repeats", type=int, default=3, help="pairs of the baseline and ours")
    asked.add_argument("--runs", type=int, default=500)
    asked.add_argument("--memory-seconds", type=float, default=240, help="then the runs' trial is ended")
    asked.add_argument("--no-postgres", action="store_true")
    asked.add_argument("--out", type=Path, default=Path("bench/results/overhead.json"))
    chosen = asked.parse_args(argv)
    result: dict[str, Any] = {
        "command": " ".join(["python -m bench.overhead", *(sys.argv[1:] if argv is None else argv)]),
        "steps": STEPS,
        "acceptance": ACCEPTANCE,
    }
    with tempfile.TemporaryDirectory() as home:
        result["sqlite"] = asyncio.run(
            beside(lambda name: f"sqlite:///{home}/{name}.db", chosen.documents, chosen.repeats)
        )
        print("sqlite", result["sqlite"], flush=True)
        if not chosen.no_postgres:
            Path(home).chmod(0o755)  # Postgres runs as another user where this is root's
            place = Path(home) / "postgres"
            place.mkdir()
            server = PostgresServer(place)
            server.start()
            try:
                result["postgres"] = asyncio.run(beside(lambda _: server.url, chosen.documents, chosen.repeats))
                print("postgres", result["postgres"], flush=True)
            finally:
                server.stop()
        result["memory"] = asyncio.run(memory(f"sqlite:///{home}/many.db", chosen.runs, chosen.memory_seconds))
        print("memory", result["memory"], flush=True)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(chosen.out)


if __name__ == "__main__":
    main()
