"""What the generator's API counts of jobs and shows of workers, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis
import redis.asyncio as aioredis
from prometheus_client import REGISTRY

from interleavethinker.jobs import Priority
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings
from interleavethinker.types import Drawing, ImageJob, ImageRef
from services.generator_service import metrics
from services.generator_service.jobs import Jobs
from services.generator_service.keys import Keys
from services.generator_service.lease import Desk, Lease
from services.generator_service.memory import taken
from services.generator_service.presence import Heartbeat, Presence
from services.generator_service.settings import GeneratorSettings

pytestmark = pytest.mark.redis
SETTINGS = GeneratorSettings(lease_seconds=60)
KEYS = Keys(SETTINGS.namespace)
PRESENCE = Presence(worker="worker-1", backend="b", model="m@1", device="cpu", dtype="float32", host="h", pid=1)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(RedisSettings(), tmp_path_factory.mktemp("redis")) as url:
        yield url


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"interleavethinker_{name}", labels)


class Since:
    """How much counters rose since this was made."""

    def __init__(self) -> None:
        self._then = {(s.name, *s.labels.items()): s.value for family in REGISTRY.collect() for s in family.samples}

    def __call__(self, name: str, **labels: str) -> float:
        then = self._then.get((f"interleavethinker_{name}", *labels.items()), 0.0)
        return (value(name, **labels) or 0.0) - then


def drawing_of(job: ImageJob) -> Drawing:
    return Drawing(job_id=job.id, image=ImageRef(digest="ab" * 32, width=64, height=64), model="m@1", draw_seconds=2)


def claimed(desk: Desk, job: ImageJob) -> Lease:
    lease = desk.claim(job.id)
    assert lease is not None
    return lease


async def test_what_is_asked_for_and_what_is_drawn_in_vain(redis_url: str):
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    since = Since()
    async with aioredis.Redis.from_url(redis_url, decode_responses=True) as aclient:
        jobs, desk = Jobs(aclient, lambda *_: None, SETTINGS), Desk(client, lambda *_: None, SETTINGS, "worker-1")
        wanted, guess, dropped, displaced = (ImageJob(prompt=text, seed=7) for text in "abcd")

        await jobs.submit(wanted, Priority.NORMAL, "run")  # queued
        await jobs.submit(wanted, Priority.NORMAL, "other")  # joined
        lease = claimed(desk, wanted)
        lease.done(drawing_of(wanted))
        for holder in ("third", "third", "run"):
            await jobs.submit(wanted, Priority.NORMAL, holder)  # answered; the others repeat what they said

        await jobs.submit(guess, Priority.SPECULATIVE, "run")
        lease = claimed(desk, guess)
        lease.done(drawing_of(guess))
        for _ in range(2):  # told twice, counted once
            await jobs.cancel(guess.id, "run")

        await jobs.submit(dropped, Priority.NORMAL, "run")
        lease = claimed(desk, dropped)
        await jobs.cancel(dropped.id, "run")
        await asyncio.sleep(0.05)
        lease.canceled()

        await jobs.submit(displaced, Priority.SPECULATIVE, "run")
        lease = claimed(desk, displaced)
        await asyncio.sleep(0.05)
        lease.canceled()  # gave way: nobody withdrew it, so it waits again
        while ending := await jobs.next_ending(0.05):
            metrics.count(ending)

    asked = {outcome: since("draws_asked_total", outcome=outcome) for outcome in ("queued", "joined", "answered")}
    assert asked == {"queued": 4, "joined": 1, "answered": 1}
    assert since("drawn_in_vain_seconds_total", reason="unused") == 2
    assert since("drawn_in_vain_seconds_total", reason="canceled") >= 0.05
    assert since("drawn_in_vain_seconds_total", reason="gave_way") >= 0.05
    assert since("draws_total", outcome="canceled") == 1 and since("draws_total", outcome="done") == 2
    client.close()


async def test_workers_show_their_memory_and_are_taken_out_when_they_are_gone(redis_url: str):
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    async with aioredis.Redis.from_url(redis_url, decode_responses=True) as aclient:
        jobs = Jobs(aclient, lambda *_: None, SETTINGS)
        with Heartbeat(client, KEYS, PRESENCE, SETTINGS.lease_seconds):
            await metrics._refresh(jobs)
            silence = value("draw_worker_silence_seconds", worker="worker-1")
            resident = value("draw_worker_memory_bytes", worker="worker-1", kind="resident")
        assert silence is not None and 0 <= silence < 30
        assert resident == pytest.approx(taken().resident, rel=0.5)
        assert value("draw_worker_memory_bytes", worker="worker-1", kind="gpu_used") is None, "there is no GPU here"
        await metrics._refresh(jobs)
        assert value("draw_worker_silence_seconds", worker="worker-1") is None
        assert value("draw_workers") == 0
    client.close()
