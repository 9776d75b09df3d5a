"""One tenant's jobs are not there for another: on a real Redis, without a model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis.asyncio as aioredis

from interleavethinker import http
from interleavethinker.jobs import JobState, Priority
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings
from interleavethinker.types import ImageJob
from services.generator_service.jobs import Jobs
from services.generator_service.settings import GeneratorSettings

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(RedisSettings(), tmp_path_factory.mktemp("redis")) as url:
        yield url


async def test_what_one_asked_for_another_cannot_find_join_or_cancel(redis_url: str):
    sent: list[tuple[str, Priority]] = []
    job = ImageJob(prompt="a secret plan", seed=1)
    async with aioredis.Redis.from_url(redis_url, decode_responses=True) as client:
        jobs = Jobs(client, lambda job_id, priority: sent.append((job_id, priority)), GeneratorSettings())
        for place, tenant in enumerate(("ours", "theirs", None), start=1):
            token = http.tenant.set(tenant)
            assert await jobs.status(job.id) is None
            assert await jobs.cancel(job.id, "run") == "unknown"
            assert (await jobs.submit(job, Priority.NORMAL, "run")).state is JobState.QUEUED
            assert len(sent) == place
            http.tenant.reset(token)
        token = http.tenant.set("theirs")
        await jobs.cancel(job.id, "run")
        http.tenant.set("ours")
        status = await jobs.status(job.id)
        http.tenant.reset(token)
        assert status and status.state is JobState.QUEUED
