"""The generator service as its callers meet it: real HTTP, real Redis, a real worker with a tiny FLUX.2-klein."""

from __future__ import annotations

import asyncio
import io
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import redis
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.http import RUN_ID
from interleavethinker.jobs import JobState, JobStatus, Priority
from interleavethinker.ports import put_image
from interleavethinker.types import GenerationParams, ImageJob, ImageRef, Size
from services.generator_service.keys import Keys
from services.generator_service.queue import celery_app, sender
from tests.generator_stack import GeneratorStack, session_stack

pytestmark = pytest.mark.redis
LONG = 200
"""Denoising steps of a drawing that takes a few seconds."""


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GeneratorStack:
    return session_stack(request.config, tmp_path_factory)


@pytest.fixture
def http(stack: GeneratorStack) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=stack.url, timeout=60) as client:
        yield client


def new_job(steps: int = 1, **fields: Any) -> ImageJob:
    """A job that nobody asked for before."""
    values = {"prompt": f"a red cat {uuid.uuid4()}", "seed": 1, "params": GenerationParams(num_inference_steps=steps)}
    return ImageJob.model_validate(values | fields)


def put(http: httpx2.Client, job: ImageJob, **headers: str) -> httpx2.Response:
    return http.put(f"/v1/images/{job.id}", json=job.model_dump(mode="json"), headers=headers)


def looked_at(http: httpx2.Client, job: ImageJob, wait: int = 0) -> JobStatus:
    return JobStatus.model_validate_json(http.get(f"/v1/images/{job.id}", params={"wait": wait}).content)


def ended(http: httpx2.Client, job: ImageJob) -> JobStatus:
    status = looked_at(http, job, wait=30)
    return status if status.state.final else looked_at(http, job, wait=60)


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def drawing_begun(http: httpx2.Client, job: ImageJob) -> JobStatus:
    """Wait until the first denoising step of a long job is done; it may not even have been asked for yet."""
    assert until(lambda: http.get(f"/v1/images/{job.id}").is_success)
    assert until(lambda: looked_at(http, job).progress.step > 0)
    return looked_at(http, job)


def metric(http: httpx2.Client, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_asking_once_waiting_and_asking_again(http: httpx2.Client):
    job = new_job()
    asked = put(http, job)
    assert asked.status_code == 202
    assert asked.headers["Location"].endswith(f"/v1/images/{job.id}")
    status = ended(http, job)
    assert status.state is JobState.DONE
    assert status.progress.step == status.progress.of == 1
    again = put(http, job)
    assert again.status_code == 200
    assert JobStatus.model_validate_json(again.content) == status


def test_prefer_wait_answers_with_the_drawing(http: httpx2.Client):
    answer = put(http, new_job(), Prefer="respond-async, wait=30")
    assert answer.status_code == 200
    drawing = JobStatus.model_validate_json(answer.content).drawing
    assert drawing is not None
    assert drawing.model.startswith("tiny-klein@")
    assert drawing.draw_seconds > 0


async def test_a_drawing_says_that_it_was_generated_and_how(http: httpx2.Client, stack: GeneratorStack):
    job = new_job(prompt=f"make it blü {uuid.uuid4()}", size=Size(width=64, height=32))
    drawing = JobStatus.model_validate_json(put(http, job, Prefer="wait=30").content).drawing
    assert drawing is not None
    picture = Image.open(io.BytesIO(await stack.blobs.get(drawing.image.digest)))
    assert picture.size == (64, 32)
    assert picture.text["Prompt"] == job.prompt
    assert picture.text["Model"] == drawing.model
    assert picture.text["Seed"] == "1"
    assert picture.text["DigitalSourceType"].endswith("trainedAlgorithmicMedia")


@pytest.mark.parametrize(
    ("job_id", "changes", "says"),
    [
        ("ab" * 32, {}, "this job's id is"),
        ("nonsense", {}, "job_id"),
        (None, {"size": {"width": 4096, "height": 4096}}, "at most 4194304 pixels"),
        (None, {"guidance": 3}, "guidance"),
    ],
)
def test_a_request_that_cannot_work_says_what_to_change(
    http: httpx2.Client, job_id: str | None, changes: dict[str, Any], says: str
):
    body = new_job().model_dump(mode="json") | changes
    known = {name: value for name, value in body.items() if name in ImageJob.model_fields}
    answer = http.put(f"/v1/images/{job_id or ImageJob.model_validate(known).id}", json=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert says in answer.json()["detail"]


def test_an_unknown_job_is_not_found(http: httpx2.Client):
    unknown = f"/v1/images/{'ab' * 32}"
    assert http.get(unknown).status_code == 404
    assert http.get(unknown, params={"wait": 5}).json()["code"] == "not_found"
    assert http.delete(unknown).json()["cancel"] == "unknown"


def test_messages_delivered_twice_draw_once(http: httpx2.Client, stack: GeneratorStack):
    before = metric(http, "interleavethinker_draws_total", outcome="done")
    job, last = new_job(), new_job()
    put(http, job)
    send = sender(celery_app(stack.settings, stack.redis_url))
    send(job.id, Priority.NORMAL)
    send(job.id, Priority.SPECULATIVE)
    first = ended(http, job)
    put(http, last, Prefer="wait=30")  # behind both duplicates, or beside the speculative one
    assert until(lambda: metric(http, "interleavethinker_draws_total", outcome="done") == before + 2)
    assert ended(http, job) == first


def test_cancel_stops_between_two_steps(http: httpx2.Client):
    job = new_job(LONG)
    put(http, job)
    assert drawing_begun(http, job).state is JobState.DRAWING
    assert http.delete(f"/v1/images/{job.id}").json()["cancel"] == "requested"
    status = ended(http, job)
    assert status.state is JobState.CANCELED
    assert 0 < status.progress.step < LONG == status.progress.of
    assert http.delete(f"/v1/images/{job.id}").json()["cancel"] == "already_done"
    assert until(lambda: metric(http, "interleavethinker_draws_total", outcome="canceled") >= 1)


def test_cancel_leaves_a_job_that_another_run_wants(http: httpx2.Client):
    job = new_job(LONG)
    for run in ("run-1", "run-2"):
        put(http, job, **{RUN_ID: run})
    assert http.delete(f"/v1/images/{job.id}", headers={RUN_ID: "run-1"}).json()["cancel"] == "still_wanted"
    drawing_begun(http, job)
    assert http.delete(f"/v1/images/{job.id}", headers={RUN_ID: "run-2"}).json()["cancel"] == "requested"
    assert ended(http, job).state is JobState.CANCELED


def test_speculative_jobs_wait_for_normal_ones(http: httpx2.Client, stack: GeneratorStack):
    long, guess, promoted, normal = new_job(LONG), new_job(LONG), new_job(), new_job()
    put(http, long)
    drawing_begun(http, long)
    put(http, guess, Priority="speculative")
    put(http, promoted, Priority="speculative")
    put(http, normal)
    put(http, promoted)
    with redis.Redis.from_url(stack.redis_url) as client:
        keys = Keys(stack.settings.namespace)
        assert [client.llen(keys.queue(priority)) for priority in Priority] == [2, 2]
    http.delete(f"/v1/images/{long.id}")
    assert ended(http, normal).state is JobState.DONE
    assert ended(http, promoted).state is JobState.DONE
    assert not looked_at(http, guess).state.final
    http.delete(f"/v1/images/{guess.id}")
    assert ended(http, guess).state is JobState.CANCELED


async def test_a_failed_job_says_why_and_can_be_asked_for_again(http: httpx2.Client, stack: GeneratorStack):
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, format="PNG")
    missing = ImageRef(digest="cd" * 32, width=64, height=64)
    failed = JobStatus.model_validate_json(put(http, new_job(references=(missing,)), Prefer="wait=30").content)
    assert failed.state is JobState.FAILED
    assert failed.problem is not None
    assert failed.problem.code == "not_found"
    assert "reference 1 of 1 (cdcd" in failed.problem.detail
    assert "upload it again" in failed.problem.detail

    there = await put_image(stack.blobs, out.getvalue(), width=64, height=64)
    assert (
        JobStatus.model_validate_json(put(http, new_job(references=(there, there)), Prefer="wait=30").content).state
        is JobState.DONE
    )


def test_metrics_and_readiness_tell_what_is_served(http: httpx2.Client):
    put(http, new_job(), Prefer="wait=30")
    assert http.get("/readyz").status_code == 200
    assert until(lambda: metric(http, "interleavethinker_work_seconds_count", role="generator", outcome="ok") > 0)
    assert metric(http, "interleavethinker_draw_queue_seconds_count") > 0
    assert metric(http, "interleavethinker_draw_workers") == 1
    serving = {"service": "generator", "backend": "diffusers", "device": "cpu", "dtype": "float32"}
    # Other stacks of the session share this process' registry, and each says now and then what it serves.
    assert until(lambda: metric(http, "interleavethinker_serving_info", **serving) == 1)


async def test_an_emptied_redis_loses_nothing(stack: GeneratorStack, http: httpx2.Client):
    job = new_job()
    client = GeneratorClient(stack.url)
    first = await client.draw(job)
    with redis.Redis.from_url(stack.redis_url) as database:
        database.flushall()
    assert until(lambda: http.get("/readyz").status_code == 200)
    second = await client.draw(job)
    await client.close()
    assert second.image == first.image


async def test_a_redis_emptied_in_the_middle_of_a_drawing_loses_nothing(stack: GeneratorStack, http: httpx2.Client):
    job = new_job(LONG)
    client = GeneratorClient(stack.url)
    drawing = asyncio.create_task(client.draw(job))
    await asyncio.to_thread(drawing_begun, http, job)
    with redis.Redis.from_url(stack.redis_url) as database:
        database.flushall()
    drawn = await asyncio.wait_for(drawing, 120)
    assert drawn.job_id == job.id and await stack.blobs.has(drawn.image.digest)
    assert (await client.draw(job)) == drawn, "it was committed once"
    await client.close()


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_finishes_the_picture_in_hand(stack: GeneratorStack, http: httpx2.Client):
    job = new_job(LONG)
    put(http, job)
    drawing_begun(http, job)
    assert stack.worker is not None
    stack.worker.terminate()
    try:
        assert ended(http, job).state is JobState.DONE
        stack.worker.wait(60)
    finally:
        stack.kill_worker()
        stack.start_worker()


def test_a_picture_that_is_gone_is_drawn_again(stack: GeneratorStack, http: httpx2.Client):
    job = new_job()
    first = JobStatus.model_validate_json(put(http, job, Prefer="wait=30").content).drawing
    assert first is not None
    (stack.blobs.path / first.image.digest[:2] / first.image.digest[2:4] / first.image.digest).unlink()
    second = JobStatus.model_validate_json(put(http, job, Prefer="wait=30").content).drawing
    assert second is not None
    assert second.image == first.image
    assert second != first


@pytest.mark.slow
def test_a_killed_worker_loses_no_job(stack: GeneratorStack, http: httpx2.Client):
    job = new_job(LONG)
    put(http, job)
    drawing_begun(http, job)
    stack.kill_worker()
    assert until(lambda: http.get("/readyz").status_code == 503)
    assert until(lambda: looked_at(http, job).state is JobState.QUEUED)
    stack.start_worker()
    status = ended(http, job)
    assert status.state is JobState.DONE
    assert status.progress.step == LONG
