"""What a house weighs while it is under load: each process's memory, open files, threads and asyncio tasks, and what
lies in Redis, in the journal and in the image store.

Only looks. Deliberately not here: what is made of it (`judged`).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psutil
import redis
from sqlalchemy import func, select

from interleavethinker.events import Status
from services.orchestrator.tables import DELIVERIES, EVENTS, IDEMPOTENCY_KEYS, RUNS, TURNS, WEBHOOKS, open_engine

TABLES = (RUNS, EVENTS, IDEMPOTENCY_KEYS, TURNS, WEBHOOKS, DELIVERIES)
TASKS = re.compile(r"^interleavethinker_asyncio_tasks (\S+)$", re.MULTILINE)
SERVER_ERRORS = re.compile(
    r'^interleavethinker_http_request_seconds_count\{.*status="5\d\d"\} (\S+)$', re.MULTILINE
)  # fmt: skip
Sample = dict[str, Any]


class Watched(NamedTuple):
    """`parts`: process ids by name. `services`: base URLs of those that serve /metrics."""

    parts: Mapping[str, int]
    services: Mapping[str, str]
    redis_url: str
    journal: str
    blobs: Path


class Samples:
    """Takes samples, and keeps each in a file at once, so that a run that is cut short leaves what it saw."""

    def __init__(self, watched: Watched, path: Path) -> None:
        self._watched, self._path, self.began = watched, path, time.monotonic()
        self._redis: Any = redis.Redis.from_url(watched.redis_url, decode_responses=True, socket_timeout=5)
        self._engine = open_engine(watched.journal)
        self.taken: list[Sample] = []

    async def take(self, phase: str) -> Sample:
        sample: Sample = {"at": round(time.monotonic() - self.began, 1), "phase": phase}
        sample["parts"] = await asyncio.to_thread(self._parts)
        sample["redis"] = await asyncio.to_thread(self._keys)
        sample |= await self._rows()
        sample["blobs"] = await asyncio.to_thread(lambda: sum(1 for _ in pictures(self._watched.blobs)))
        self.taken.append(sample)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(sample) + "\n")
        return sample

    async def keep_taking(self, phase: str, every: float) -> None:
        """Until canceled."""
        while True:
            await self.take(phase)
            await asyncio.sleep(every)

    async def close(self) -> None:
        await self._engine.dispose()

    def keys_left(self) -> dict[str, float]:
        """Each key and its seconds to live; -1: it stays."""
        return {key: self._redis.ttl(key) for key in self._redis.scan_iter(count=1000)}

    def _parts(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with httpx2.Client(timeout=10.0) as client:
            for name, pid in self._watched.parts.items():
                with suppress(psutil.NoSuchProcess):  # a part that is gone shows by its absence
                    found[name] = _weight(psutil.Process(pid), forks=name == "postgres")
            for name, url in self._watched.services.items():
                text = client.get(f"{url}/metrics").text
                tasks = TASKS.search(text)
                found[name] |= {
                    "tasks": int(float(tasks[1])) if tasks else None,
                    "server_errors": int(sum(float(count) for count in SERVER_ERRORS.findall(text))),
                }
        return found

    def _keys(self) -> dict[str, Any]:
        keys = Counter(prefix_of(key) for key in self._redis.scan_iter(count=1000))
        return {"keys": dict(keys), "bytes": self._redis.info("memory")["used_memory"]}

    async def _rows(self) -> dict[str, Any]:
        async with self._engine.connect() as db:
            rows = {
                table.name: (await db.execute(select(func.count()).select_from(table))).scalar_one() for table in TABLES
            }
            by_status = await db.execute(select(RUNS.c.status, func.count()).group_by(RUNS.c.status))
            runs = {Status(status).value: count for status, count in by_status}
        return {"journal": rows, "runs": runs}


def prefix_of(key: str) -> str:
    """A key's kind: the first two parts of its name, of the broker's own keys the namespace and `_kombu`."""
    namespace, _, rest = key.partition(":")
    return f"{namespace}:_kombu" if rest.startswith("_kombu") else f"{namespace}:{rest.partition(':')[0]}"


def server_errors(before: Sample, after: Sample) -> int:
    """Answers of all services between two samples that were a 5xx. While models are loaded, /readyz is one."""

    def count(sample: Sample) -> int:
        return sum(part.get("server_errors") or 0 for part in sample["parts"].values())

    return count(after) - count(before)


def pictures(store: Path) -> Sequence[Path]:
    """The files of an image store in a directory, of every tenant."""
    return [path for path in store.rglob("*") if path.is_file() and not path.name.startswith(".")]


def _weight(process: psutil.Process, *, forks: bool) -> dict[str, Any]:
    """`forks`: the server and its children in sum, of which only memory that they do not share is counted."""
    if not forks:
        with process.oneshot():
            cpu = process.cpu_times()
            return {
                "rss": process.memory_info().rss,
                "files": process.num_fds(),
                "threads": process.num_threads(),
                "cpu": round(cpu.user + cpu.system, 2),
            }
    ended = process.cpu_times()  # what children that have ended took
    rss, files, threads, seconds = 0, 0, 0, ended.children_user + ended.children_system
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            rss, files, threads = rss + each.memory_full_info().uss, files + each.num_fds(), threads + 1
            seconds += times.user + times.system
    return {"rss": rss, "files": files, "threads": threads, "cpu": round(seconds, 2)}
