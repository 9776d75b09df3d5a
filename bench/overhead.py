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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.documents import END_SECONDS, Told, asking
from bench.latencies import PROFILES, percentile
from bench.standins import LanguageGpu, StandInCritic, StandInGenerator, StandInPlanner
from interleavethinker.events import Event, Recorded
from interleavethinker.postgres_server import PostgresServer
from services.orchestrator.metrics import UNDER_WAY
from services.orchestrator.runs import Runs

STEPS, ACCEPTANCE = 8, 0.7


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


async def an_event(url: str, documents: int) -> dict[str, Any]:
    """Milliseconds an event, of documents made one after the other by models that take no time."""
    profile = PROFILES[0].paced(0.0)
    gpu = LanguageGpu(profile)
    async with Timed(url) as journal, StandInGenerator(profile, workers=1) as generator:
        runs = _runs(journal, gpu, generator, at_once=1)
        for number in range(-1, documents):
            if number == 0:  # after one that warms everything up
                journal.seconds.clear()
                cpu, began = time.process_time(), time.perf_counter()
            journal.ended.clear()
            await runs.start(asking(number + 1, ACCEPTANCE, STEPS))
            async with asyncio.timeout(END_SECONDS):
                await journal.ended.wait()
        count = len(journal.seconds)
        found = {
            "events": count,
            "cpu_ms": round(1000 * (time.process_time() - cpu) / count, 2),
            "ms": round(1000 * (time.perf_counter() - began) / count, 2),
            "record_ms": {f"p{p}": round(1000 * percentile(journal.seconds, p / 100), 2) for p in (50, 95)},
        }
        await runs.close()
    return found


async def memory(url: str, runs_at_once: int) -> dict[str, Any]:
    """MiB of this process before, and at most while so many runs are under way, each on models that take a while."""
    profile = PROFILES[0]
    gpu, me = LanguageGpu(profile, cards=runs_at_once), psutil.Process()
    async with Told(url) as journal, StandInGenerator(profile, workers=runs_at_once) as generator:
        runs = _runs(journal, gpu, generator, at_once=runs_at_once)
        before = most = me.memory_info().rss
        began = time.perf_counter()
        for number in range(runs_at_once):
            await runs.start(asking(number, ACCEPTANCE, 3))
        started, under_way = time.perf_counter() - began, 0
        while journal.ends < runs_at_once:
            most = max(most, me.memory_info().rss)
            under_way = max(under_way, int(next(iter(UNDER_WAY.collect())).samples[0].value))
            await asyncio.sleep(0.2)
        await runs.close()
    return {
        "runs": runs_at_once,
        "under_way_at_once": under_way,
        "seconds_to_start": round(started, 1),
        "seconds": round(time.perf_counter() - began, 1),
        "mib_before": round(before / 2**20, 1),
        "mib_most": round(most / 2**20, 1),
        "kib_a_run": round((most - before) / 1024 / runs_at_once, 1),
    }


def _runs(journal: Told, gpu: LanguageGpu, generator: StandInGenerator, *, at_once: int) -> Runs:
    planner, critic = StandInPlanner(gpu, STEPS), StandInCritic(gpu, stop_on_accept=True)
    return Runs(journal, planner=planner, critic=critic, generator=generator, at_once=at_once, lease_seconds=60)


def main(argv: Sequence[str] | None = None) -> None:
    asked = argparse.ArgumentParser(prog="python -m bench.overhead", description=__doc__)
    asked.add_argument("--documents", type=int, default=20)
    asked.add_argument("--runs", type=int, default=500)
    asked.add_argument("--out", type=Path, default=Path("bench/results/overhead.json"))
    chosen = asked.parse_args(argv)
    result: dict[str, Any] = {
        "command": " ".join(["python -m bench.overhead", *(sys.argv[1:] if argv is None else argv)]),
        "steps": STEPS,
        "acceptance": ACCEPTANCE,
    }
    with tempfile.TemporaryDirectory() as home:
        result["sqlite"] = asyncio.run(an_event(f"sqlite:///{home}/journal.db", chosen.documents))
        print("sqlite", result["sqlite"], flush=True)
        Path(home).chmod(0o755)  # Postgres runs as another user where this is root's
        place = Path(home) / "postgres"
        place.mkdir()
        server = PostgresServer(place)
        server.start()
        try:
            result["postgres"] = asyncio.run(an_event(server.url, chosen.documents))
            print("postgres", result["postgres"], flush=True)
        finally:
            server.stop()
        result["memory"] = asyncio.run(memory(f"sqlite:///{home}/many.db", chosen.runs))
        print("memory", result["memory"], flush=True)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    print(chosen.out)


if __name__ == "__main__":
    main()
