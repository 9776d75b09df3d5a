"""The faults. Each is done to a house in whose middle a run is under way; what was killed is started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select, text

from bench.house import LEASE_SECONDS, House, Part, until
from bench.phases import jobs
from interleavethinker.jobs import Priority
from services.generator_service.keys import Keys
from services.generator_service.queue import celery_app, sender
from services.generator_service.settings import GeneratorSettings
from services.orchestrator.statuses import FINAL
from services.orchestrator.tables import RUNS, open_engine

Fault = Callable[[House, str], None]
"""Called with the house and the id of the run under way."""
RESTART_SECONDS = 0.3
POISON_SECONDS = 180.0
NO_SPACE = "No space left on device"
MESSAGES = Keys("generator").queue(Priority.NORMAL)


def kill(name: str) -> Fault:
    """SIGKILL, and a new process in its place."""

    def inflict(house: House, run_id: str) -> None:
        house.parts[name].kill()
        time.sleep(RESTART_SECONDS)
        house.parts[name].start()

    return inflict


def kill_owner(house: House, run_id: str) -> None:
    """SIGKILL of the orchestrator that works on the run. It comes back only after another one could have taken over."""
    part = owner(house, run_id)
    part.kill()
    time.sleep(LEASE_SECONDS + 1 if len(house.orchestrators) > 1 else RESTART_SECONDS)
    part.start()


def hang_owner(house: House, run_id: str) -> None:
    """It stops in its tracks for longer than its lease, then goes on and wants to write."""
    part = owner(house, run_id)
    part.signal(signal.SIGSTOP)
    time.sleep(2 * LEASE_SECONDS)
    part.signal(signal.SIGCONT)


def kill_postgres(house: House, run_id: str) -> None:
    assert house.postgres is not None
    house.postgres.kill()
    time.sleep(RESTART_SECONDS)
    house.postgres.start()


def flush(house: House, run_id: str) -> None:
    """Everything in Redis is gone."""
    house.redis().flushall()


def flush_before_commit(house: House, run_id: str) -> None:
    """The same while a worker has stored its picture and is about to say so: what it said to a Redis that took no
    writes is cut off with its connection, and said again to one that knows of no job."""
    house.parts["worker"].signal(signal.SIGSTOP)
    client: Any = house.redis()
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    client.execute_command("CLIENT", "UNPAUSE")
    client.flushall()
    house.parts["worker"].signal(signal.SIGCONT)


def no_worker(house: House, run_id: str) -> None:
    """The only worker is gone for several leases; the generator says so meanwhile."""
    worker = house.parts["worker"]
    worker.kill()
    until(lambda: not worker.ready(), "a dead worker is still thought alive")
    time.sleep(2 * LEASE_SECONDS)
    worker.start()


def no_worker_until_the_end(house: House, run_id: str) -> None:
    """It stays away until the run has ended over it."""
    house.parts["worker"].kill()
    until(lambda: status(house, run_id) in FINAL, "the run waits without end for a worker")
    house.parts["worker"].start()


def poison(house: House, run_id: str) -> None:
    """Whoever takes the run up is killed, and no model answers meanwhile, so that nothing of it is recorded."""
    for name in ("chat", "worker"):
        house.parts[name].signal(signal.SIGSTOP)
    deadline = time.monotonic() + POISON_SECONDS
    while status(house, run_id) not in FINAL:
        if time.monotonic() > deadline:
            raise TimeoutError("a run that kills its orchestrators is taken up without end")
        if part := holder(house, run_id):
            part.kill()
            part.start()
        time.sleep(0.2)
    for name in ("chat", "worker"):
        house.parts[name].signal(signal.SIGCONT)


def full_postgres(house: House, run_id: str) -> None:
    """No byte more can be written to the database's disk for some seconds; one that ended over it is started again.

    For so long each new event wants a page of its own: else it might find room in the last one. Raises where the
    database met no full disk."""
    assert house.postgres is not None
    before = _complaints(house)
    _execute(house, "ALTER TABLE events SET (fillfactor = 10)")
    full_disk(lambda at: at.home / "postgres")(house, run_id)
    if not house.postgres.answers():
        house.postgres.kill()
        house.postgres.start()
    _execute(house, "ALTER TABLE events RESET (fillfactor)")
    if _complaints(house) == before:
        raise RuntimeError("the database met no full disk")


def _complaints(house: House) -> int:
    """Of the orchestrators: the database's own log is on the disk that is full."""
    logs = [house.home / f"{part.name}.log" for part in house.orchestrators]
    return sum(log.read_text(errors="replace").count(NO_SPACE) for log in logs)


def duplicate(house: House, run_id: str) -> None:
    """Three more messages for each job there is."""
    send = sender(celery_app(GeneratorSettings(), house.redis_url))
    for job_id in jobs(house):
        for _ in range(3):
            send(job_id, Priority.NORMAL)


def delay(house: House, run_id: str) -> None:
    """What waits in the queue is held back for longer than a lease, then delivered after all."""
    client: Any = house.redis()
    held = client.lrange(MESSAGES, 0, -1)
    client.delete(MESSAGES)
    time.sleep(LEASE_SECONDS + 0.5)
    if held:
        client.rpush(MESSAGES, *held)


def full_disk(at: Callable[[House], Path]) -> Fault:
    """No byte more can be written for three seconds."""

    def inflict(house: House, run_id: str) -> None:
        filler = at(house) / "filler"
        fill = os.open(filler, os.O_CREAT | os.O_WRONLY)
        try:
            for size in (65536, 4096, 512, 1):
                while _written(fill, size):
                    pass
            time.sleep(3)
        finally:
            os.close(fill)
            filler.unlink()

    return inflict


def owner(house: House, run_id: str) -> Part:
    """The orchestrator that holds the run; any where nobody does."""
    return holder(house, run_id) or house.orchestrators[0]


def holder(house: House, run_id: str) -> Part | None:
    """The living orchestrator that holds the run."""
    name = _row(house, run_id).lease_holder or ""
    by_pid = {f"-{part.process.pid}-": part for part in house.orchestrators if part.process}
    return next((part for pid, part in by_pid.items() if pid in name), None)


def status(house: House, run_id: str) -> str:
    """As the database has it, whoever lives."""
    return str(_row(house, run_id).status)


def _execute(house: House, statement: str) -> None:
    async def do() -> None:
        engine = open_engine(house.journal)
        async with engine.begin() as db:
            await db.execute(text(statement))
        await engine.dispose()

    asyncio.run(do())


def _row(house: House, run_id: str) -> Row:
    async def ask() -> Row:
        engine = open_engine(house.journal)
        async with engine.connect() as db:
            found = (await db.execute(select(RUNS.c.lease_holder, RUNS.c.status).where(RUNS.c.id == run_id))).one()
        await engine.dispose()
        return found

    return asyncio.run(ask())


def _written(file: int, size: int) -> bool:
    try:
        return os.write(file, b"\0" * size) > 0
    except OSError:
        return False
