"""How much a tenant may ask for: in runs a minute and pictures an hour, in memory and in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.errors import RateLimited
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings
from services.orchestrator.access_settings import RateSettings
from services.orchestrator.rates import Rates
from tests.doors import SNOWMAN, WAIT, key, opened


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "memory":
        yield "memory://"
        return
    with redis_server(RedisSettings(), tmp_path) as url:
        yield url.replace("redis+socket://", "unix://")


async def test_runs_and_pictures_are_counted_by_tenant(storage: str):
    rates = Rates(RateSettings(runs_per_minute=3, images_per_hour=2, storage=storage))
    for _ in range(3):
        await rates.start_run("ours")
    with pytest.raises(RateLimited) as refused:
        await rates.start_run("ours")
    assert refused.value.extra["limit"] == 3 and refused.value.extra["remaining"] == 0
    assert 0 < int(str(refused.value.extra["retry_after"])) <= 60
    await rates.start_run("theirs")
    await rates.start_run(None)
    for _ in range(2):
        await rates.draw("theirs")
    with pytest.raises(RateLimited, match="2 images per hour"):
        await rates.draw("theirs")
    with pytest.raises(RateLimited, match="images"):  # a run that may draw nothing is not begun
        await rates.start_run("theirs")


async def test_two_replicas_count_together_in_redis(tmp_path: Path):
    with redis_server(RedisSettings(), tmp_path) as url:
        settings = RateSettings(runs_per_minute=1, storage=url)
        await Rates(settings).start_run("ours")
        with pytest.raises(RateLimited):
            await Rates(settings).start_run("ours")


async def test_without_limits_nothing_is_counted():
    rates = Rates(RateSettings())
    for _ in range(100):
        await rates.start_run("ours")
        await rates.draw("ours")


async def test_a_refusal_says_when_to_come_again(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys", rates=RateSettings(runs_per_minute=1)) as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        assert (await client.post("/interleave", json=SNOWMAN, headers=ours)).status_code == 202
        refused = await client.post("/interleave", json=SNOWMAN, headers=ours)
        body = refused.json()
        assert (refused.status_code, body["code"], body["retryable"]) == (429, "rate_limited", True)
        assert int(refused.headers["retry-after"]) == body["retry_after"] > 0
        assert (body["limit"], body["remaining"], body["window"], body["counted"]) == (1, 0, "minute", "runs")
        assert (await client.post("/interleave", json=SNOWMAN, headers=theirs)).status_code == 202
        assert (await client.get("/interleave", headers=ours)).status_code == 200


async def test_a_run_ends_where_the_pictures_are_spent(tmp_path: Path, blobs: DirectoryBlobs):
    rates = RateSettings(images_per_hour=2)
    async with opened(tmp_path, blobs, "a", "b", "c", rates=rates) as (_, client):
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        assert (made["status"], made["document"]["problem"]["code"]) == ("partial", "rate_limited")
        assert len(made["images"]) == 2
        assert (await client.post("/interleave", json=SNOWMAN)).status_code == 429
