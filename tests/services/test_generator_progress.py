"""How a job comes along, on a real Redis and without a model: told as it happens, and only to whoever listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import httpx2
import pytest
import redis
import redis.asyncio as aioredis

from interleavethinker import http
from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.jobs import JobProgress, JobState, Priority
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings
from services.generator_service.app import build_app
from services.generator_service.jobs import Jobs
from services.generator_service.keys import Keys
from services.generator_service.lease import Desk, Lease
from services.generator_service.settings import GeneratorSettings
from tests.services.test_generator_jobs import new_job

pytestmark = pytest.mark.redis
SETTINGS = GeneratorSettings(lease_seconds=60)
KEYS = Keys(SETTINGS.namespace)
PREVIEW = b"\xff\xd8 a small picture \x00"


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(RedisSettings(), tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def desk(client: redis.Redis) -> Desk:
    return Desk(client, lambda *_: None, SETTINGS, "worker-1")


@pytest.fixture
async def jobs(redis_url: str, client: redis.Redis) -> AsyncIterator[Jobs]:
    async with aioredis.Redis.from_url(redis_url, decode_responses=True) as aclient:
        yield Jobs(aclient, lambda *_: None, SETTINGS)


def claimed(desk: Desk, job_id: str) -> Lease:
    lease = desk.claim(job_id)
    assert lease
    return lease


async def test_each_step_and_preview_is_told_at_once(jobs: Jobs, desk: Desk):
    job = new_job()
    await jobs.submit(job, Priority.NORMAL, "a")
    async with aclosing(jobs.progress(job.id)) as progress:
        assert await anext(progress) == JobProgress(job_id=job.id, state=JobState.QUEUED, ahead=0)
        began = time.monotonic()
        waiting = asyncio.ensure_future(anext(progress))
        await asyncio.sleep(0.05)
        lease = await asyncio.to_thread(claimed, desk, job.id)
        assert await waiting == JobProgress(job_id=job.id, state=JobState.DRAWING)
        assert lease.advance(1, 4), "somebody listens"
        assert (await anext(progress)) == JobProgress(job_id=job.id, state=JobState.DRAWING, step=1, of=4)
        lease.show(PREVIEW, 60)
        assert (await anext(progress)).previews == 1
        assert time.monotonic() - began < 1, "nobody had to look"
        assert await jobs.preview(job.id) == PREVIEW
        await jobs.cancel(job.id, "a")
        lease.canceled()
        assert (await anext(progress)).state is JobState.CANCELED
        assert await anext(progress, None) is None


async def test_where_nobody_listens_the_worker_knows(jobs: Jobs, desk: Desk):
    job = new_job()
    await jobs.submit(job, Priority.NORMAL, "a")
    lease = claimed(desk, job.id)
    assert not lease.advance(1, 4)
    assert await jobs.preview(job.id) is None


async def test_a_preview_is_gone_soon_and_never_another_tenants(jobs: Jobs, desk: Desk, client: redis.Redis):
    job = new_job()
    await jobs.submit(job, Priority.NORMAL, "a")
    claimed(desk, job.id).show(PREVIEW, 60)
    assert 0 < client.pttl(KEYS.preview(job.id)) <= 60_000
    token = http.tenant.set("another")
    assert await jobs.preview(job.id) is None
    http.tenant.reset(token)


async def test_who_lost_the_job_shows_nothing_more(jobs: Jobs, desk: Desk, client: redis.Redis):
    job = new_job()
    await jobs.submit(job, Priority.NORMAL, "a")
    lease = claimed(desk, job.id)
    client.delete(KEYS.lease(lease.token))
    await jobs.status(job.id)  # puts it right
    lease.show(PREVIEW, 60)
    assert await jobs.preview(job.id) is None


async def test_each_waiting_job_knows_how_many_come_before_it(jobs: Jobs, desk: Desk, client: redis.Redis):
    first, second, third = new_job(), new_job(), new_job()
    for job in (first, second, third):
        await jobs.submit(job, Priority.NORMAL, "a")

    async def ahead(job_id: str) -> int | None:
        async with aclosing(jobs.progress(job_id)) as progress:
            return (await anext(progress)).ahead

    assert [await ahead(job.id) for job in (first, second, third)] == [0, 1, 2]
    lease = claimed(desk, first.id)
    assert [await ahead(job.id) for job in (first, second, third)] == [None, 0, 1]
    await jobs.cancel(second.id, "a")
    assert await ahead(third.id) == 0
    client.delete(KEYS.lease(lease.token))  # its worker died: it is queued again, in its old place
    await jobs.status(first.id)
    assert [await ahead(job.id) for job in (first, third)] == [0, 1]
    assert 0 < client.ttl(KEYS.waiting) <= SETTINGS.record_seconds


async def test_over_http(redis_url: str, desk: Desk, blobs: DirectoryBlobs):
    app = build_app(SETTINGS, redis_url, blobs)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://generator.test") as client,
    ):
        job = new_job()
        path = f"/v1/images/{job.id}"
        for missing in (f"{path}/progress", f"{path}/preview"):
            assert (await client.get(missing)).status_code == 404
        await client.put(path, json=job.model_dump(mode="json"))
        following = asyncio.create_task(client.get(f"{path}/progress"))
        await asyncio.to_thread(await_listener, redis_url, job.id)
        lease = claimed(desk, job.id)
        assert lease.advance(1, 2)
        lease.show(PREVIEW, 60)
        preview = await client.get(f"{path}/preview")
        assert (preview.content, preview.headers["content-type"]) == (PREVIEW, "image/jpeg")
        await client.delete(path)
        lease.canceled()
        events = [event async for event in http.read_sse((await following).aiter_lines())]
    told = [JobProgress.model_validate_json(event.data) for event in events]
    assert {event.event for event in events} == {"progress"}
    assert (told[0].state, told[-1].state, told[-1].step) == (JobState.QUEUED, JobState.CANCELED, 1)


def await_listener(redis_url: str, job_id: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        while not client.pubsub_numsub(KEYS.progress(job_id))[0][1]:
            time.sleep(0.02)
