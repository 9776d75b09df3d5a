"""Hosted models behind the whole generator service: several jobs at once, refusals and costs as its callers see them,
and a document made by a real orchestrator with them. Redis, Celery, the worker and HTTP are real."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.errors import ContentRefused, DrawFailed, Unavailable
from interleavethinker.ports import Generator
from interleavethinker.types import GenerationParams, ImageJob
from tests.doors import SNOWMAN, opened
from tests.fakes import revise
from tests.generator_stack import GeneratorStack, session_stack
from tests.servers.images_server import ImagesServer, error, odd

pytestmark = pytest.mark.redis


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GeneratorStack:
    return session_stack(request.config, tmp_path_factory, "openai_images")


@pytest.fixture
def server(stack: GeneratorStack) -> ImagesServer:
    assert isinstance(stack.server, ImagesServer)
    stack.server.tricks = []
    stack.server.most_at_once = 0
    return stack.server


def new_job(steps: int = 1) -> ImageJob:
    return ImageJob(prompt=f"a cat {uuid.uuid4()}", seed=1, params=GenerationParams(num_inference_steps=steps))


def metric(stack: GeneratorStack, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(httpx2.get(f"{stack.url}/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


async def test_one_worker_waits_for_several_pictures_at_once(stack: GeneratorStack, server: ImagesServer):
    client = GeneratorClient(stack.url)
    drawings = await asyncio.gather(*(client.draw(new_job(40)) for _ in range(6)))
    await client.close()
    assert server.most_at_once == 4
    assert metric(stack, "interleavethinker_draw_workers") == 1
    assert {drawing.model for drawing in drawings} == {f"test-image-1@{server.url.split('/')[2]}"}
    assert drawings[0].cost is not None and drawings[0].cost.calls == 1
    assert drawings[0].reported.startswith("id img-")


async def test_what_a_server_says_reaches_the_caller(stack: GeneratorStack, server: ImagesServer):
    client = GeneratorClient(stack.url)
    server.tricks = [error(400, "rejected by the safety system", code="moderation_blocked")]
    with pytest.raises(ContentRefused, match="rejected by the safety system") as refused:
        await client.draw(new_job())
    assert not refused.value.retryable
    server.tricks = [odd({"data": []})] * 3
    with pytest.raises(DrawFailed, match="gave no usable picture"):
        await client.draw(new_job())
    server.tricks = [error(429, "slow down", retry_after="999")]
    with pytest.raises(Unavailable, match="asked too much at once"):
        await client.draw(new_job())
    await client.close()
    deadline = time.monotonic() + 10
    while metric(stack, "interleavethinker_hosted_calls_total", outcome="refused") < 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert metric(stack, "interleavethinker_hosted_calls_total", outcome="unusable") >= 3


async def made(tmp_path: Path, stack: GeneratorStack, **how: Any) -> dict[str, Any]:
    client: Generator = GeneratorClient(stack.url)
    hill = f"a hill {uuid.uuid4()}"
    async with opened(tmp_path, stack.blobs, hill, "a house on it", generator=client, **how) as (_, http):
        begun = (await http.post("/interleave", json=SNOWMAN | {"prompt": f"a story {uuid.uuid4()}"})).json()
        async with http.stream("GET", f"/interleave/{begun['id']}/events") as events:
            async for _ in events.aiter_lines():
                pass
        answer: dict[str, Any] = (await http.get(f"/interleave/{begun['id']}")).json()["document"]
        for step in answer["steps"]:
            for attempt in step["attempts"]:
                digest = attempt["image"]["digest"]
                assert (await http.get(f"/interleave/{begun['id']}/images/{digest}")).content.startswith(b"\x89PNG")
        return answer


async def test_a_document_succeeds(tmp_path: Path, stack: GeneratorStack, server: ImagesServer):
    before, asked = server.drawn, len(server.asked)
    document = await made(tmp_path, stack, verdicts=[revise("a green hill")])
    assert document["status"] == "succeeded"
    attempts = [attempt for step in document["steps"] for attempt in step["attempts"]]
    assert [attempt["prompt"][:12] for attempt in attempts[1:]] == ["a green hill", "a house on i"]
    assert server.drawn - before == 3
    assert [len(each["pictures"]) for each in server.asked[asked:]] == [0, 0, 1]
    assert [attempt["cost"]["calls"] for attempt in attempts] == [1, 1, 1]
    assert all(attempt["model"].startswith("test-image-1@") and attempt["reported"] for attempt in attempts)


async def test_a_document_outlasts_a_busy_server_and_ends_clearly_at_a_refusal(
    tmp_path: Path, stack: GeneratorStack, server: ImagesServer
):
    server.tricks = [
        error(429, "slow down", retry_after="999"),
        error(503, "overloaded"),
        odd({"data": []}),
        {"b64_json": "%"},
        None,
        error(400, "no houses", code="content_policy_violation"),
    ]
    document = await made(tmp_path, stack)
    assert document["status"] == "partial"
    assert [step["finished"] for step in document["steps"]] == [True, False]
    assert document["problem"]["code"] == "content_refused"
    assert "no houses" in document["problem"]["detail"]
    assert document["problem"]["retryable"] is False
    assert document["steps"][0]["attempts"][0]["cost"]["calls"] == 4  # 503, two unusable answers, a picture


async def test_a_worker_that_is_asked_to_end_waits_for_all_its_pictures(stack: GeneratorStack, server: ImagesServer):
    client, before = GeneratorClient(stack.url), server.drawn
    drawing = [asyncio.create_task(client.draw(new_job(60))) for _ in range(3)]
    while server.at_once < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    assert stack.worker is not None
    stack.worker.terminate()
    try:
        drawings = await asyncio.gather(*drawing)
        assert [drawn.cost.calls for drawn in drawings if drawn.cost] == [1, 1, 1]
        assert server.drawn - before == 3
        await asyncio.to_thread(stack.worker.wait, 30)
    finally:
        await client.close()
        await asyncio.to_thread(stack.kill_worker)
        await asyncio.to_thread(stack.start_worker)
