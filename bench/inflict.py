"""The faults. Each is done to a house in whose middle a run is under way; what was killed is started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.house import LEASE_SECONDS, House, Part
from bench.phases import jobs
from interleavethinker.jobs import Priority
from services.generator_service.keys import Keys
from services.generator_service.queue import celery_app, sender
from services.generator_service.settings import GeneratorSettings
from services.orchestrator.tables import RUNS, open_engine

Fault = Callable[[House, str], None]
"""Called with the house and the id of the run under way."""
RESTART_SECONDS = 0.3
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

    async def ask() -> str:
        engine = open_engine(house.journal)
        async with engine.connect() as db:
            found = (await db.execute(select(RUNS.c.lease_holder).where(RUNS.c.id == run_id))).scalar()
        await engine.dispose()
        return found or ""

    holder = asyncio.run(ask())
    by_pid = {f"-{part.process.pid}-": part for part in house.orchestrators if part.process}
    return next((part for pid, part in by_pid.items() if pid in holder), house.orchestrators[0])


def _written(file: int, size: int) -> bool:
    try:
        return os.write(file, b"\0" * size) > 0
    except OSError:
        return False
