"""A job's transitions on a real Redis, without a model: who may draw it, who may end it, what a dead worker leaves."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import celery.worker.state
import httpx2
import pytest
import redis
import redis.asyncio as aioredis
from PIL import Image

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.errors import DrawFailed, NobodyDraws
from interleavethinker.events import Problem
from interleavethinker.jobs import CancelAnswer, JobState, Priority
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings
from interleavethinker.types import Drawing, ImageJob, ImageRef
from services.generator_service.app import build_app
from services.generator_service.backends.base import DeviceLost, Loaded, OnStep
from services.generator_service.jobs import Jobs
from services.generator_service.keys import Keys
from services.generator_service.lease import CancelRequested, Desk, GivesWay, LeaseLost
from services.generator_service.presence import Heartbeat, Presence
from services.generator_service.settings import GeneratorSettings
from services.generator_service.worker import Worker

pytestmark = pytest.mark.redis
SETTINGS = GeneratorSettings(lease_seconds=60, max_losses=2)
KEYS = Keys(SETTINGS.namespace)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(RedisSettings(), tmp_path_factory.mktemp("redis")) as url:
        yield url


@dataclass
class Room:
    """Both sides of the queue; `sent` are the messages that a worker would get."""

    jobs: Jobs
    desk: Desk
    client: redis.Redis
    sent: list[tuple[str, Priority]] = field(default_factory=list)

    def let_leases_run_out(self) -> None:
        """As a minute's silence of every worker would."""
        for key in self.client.scan_iter(KEYS.lease("*")):
            self.client.delete(key)

    def let_message_grow_old(self, job: ImageJob) -> None:
        """As an hour's waiting would."""
        self.client.hincrbyfloat(KEYS.job(job.id), "sent_at", -3600)


@pytest.fixture
async def room(redis_url: str) -> AsyncIterator[Room]:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.flushall()
    sent: list[tuple[str, Priority]] = []

    def send(job_id: str, priority: Priority) -> None:
        sent.append((job_id, priority))

    async with aioredis.Redis.from_url(redis_url, decode_responses=True) as aclient:
        yield Room(Jobs(aclient, send, SETTINGS), Desk(client, send, SETTINGS, "worker-1"), client, sent)
    client.close()


def new_job() -> ImageJob:
    return ImageJob(prompt=f"a red cat {uuid.uuid4()}", seed=1)


def drawing_of(job: ImageJob, model: str = "model@1") -> Drawing:
    return Drawing(job_id=job.id, image=ImageRef(digest="ab" * 32, width=64, height=64), model=model, draw_seconds=2)


async def test_one_message_for_many_askers_and_one_claim_for_many_messages(room: Room):
    job = new_job()
    for holder in "abc":
        await room.jobs.submit(job, Priority.NORMAL, holder)
    assert room.sent == [(job.id, Priority.NORMAL)]
    assert room.desk.claim(job.id) is not None
    assert room.desk.claim(job.id) is None
    assert room.desk.claim("unknown") is None


async def test_waiting_ends_with_the_job(room: Room):
    job = new_job()
    await room.jobs.submit(job, Priority.NORMAL, "a")
    waiting = asyncio.create_task(room.jobs.wait(job.id, 60))
    lease = await asyncio.to_thread(room.desk.claim, job.id)
    assert lease is not None
    lease.advance(1, 4)
    status = await room.jobs.status(job.id)
    assert status is not None
    assert (status.state, status.progress.step, status.progress.of) == (JobState.DRAWING, 1, 4)
    lease.done(drawing_of(job))
    status = await waiting
    assert status is not None
    assert status.drawing == drawing_of(job)
    assert await room.jobs.wait("unknown", 5) is None


async def test_promotion_sends_a_second_message(room: Room):
    job = new_job()
    await room.jobs.submit(job, Priority.SPECULATIVE, "a")
    await room.jobs.submit(job, Priority.NORMAL, "a")
    await room.jobs.submit(job, Priority.SPECULATIVE, "a")
    assert room.sent == [(job.id, Priority.SPECULATIVE), (job.id, Priority.NORMAL)]


async def test_a_guess_gives_way_between_two_steps_and_waits_again(room: Room):
    guess, other, normal = new_job(), new_job(), new_job()
    for job in (guess, other):
        await room.jobs.submit(job, Priority.SPECULATIVE, "a")
    lease = room.desk.claim(guess.id)
    assert lease is not None
    lease.advance(1, 4)  # other guesses do not stop it
    await room.jobs.submit(normal, Priority.NORMAL, "b")
    lease.advance(4, 4)  # nor does anything once only the picture is left to make
    with pytest.raises(GivesWay):
        lease.advance(2, 4)
    lease.canceled()
    status = await room.jobs.status(guess.id)
    assert status is not None
    assert status.state is JobState.QUEUED
    assert room.sent[-1] == (guess.id, Priority.SPECULATIVE)
    assert room.desk.claim(normal.id) is not None
    second = room.desk.claim(other.id)
    assert second is not None
    second.advance(1, 4)  # a guess that waits again is no normal job that waits


async def test_one_guess_gives_way_for_each_normal_job_that_waits(room: Room):
    guesses, normal = [new_job(), new_job()], [new_job(), new_job()]
    for job in guesses:
        await room.jobs.submit(job, Priority.SPECULATIVE, "a")
    first, second = [room.desk.claim(job.id) for job in guesses]
    assert first and second
    await room.jobs.submit(normal[0], Priority.NORMAL, "b")
    with pytest.raises(GivesWay):
        first.advance(1, 4)
    second.advance(1, 4)  # one worker is enough
    await room.jobs.submit(normal[1], Priority.NORMAL, "b")
    with pytest.raises(GivesWay):
        second.advance(2, 4)


async def test_a_guess_is_not_taken_while_anything_waits(room: Room):
    guess, normal = new_job(), new_job()
    await room.jobs.submit(normal, Priority.NORMAL, "b")
    answer = await room.jobs.submit(guess, Priority.SPECULATIVE, "a")
    assert answer.state is JobState.CANCELED
    assert await room.jobs.status(guess.id) is None
    assert room.sent == [(normal.id, Priority.NORMAL)]
    joined = await room.jobs.submit(normal, Priority.SPECULATIVE, "a")  # what is there already may be joined
    assert joined.state is JobState.QUEUED
    assert room.desk.claim(normal.id) is not None
    assert (await room.jobs.submit(guess, Priority.SPECULATIVE, "a")).state is JobState.QUEUED


async def test_a_guess_that_is_asked_for_by_now_gives_no_way(room: Room):
    guess, normal = new_job(), new_job()
    await room.jobs.submit(guess, Priority.SPECULATIVE, "a")
    lease = room.desk.claim(guess.id)
    assert lease is not None
    await room.jobs.submit(normal, Priority.NORMAL, "b")
    await room.jobs.submit(guess, Priority.NORMAL, "a")
    lease.advance(1, 4)


async def test_a_job_stops_when_its_last_holder_leaves(room: Room):
    job = new_job()
    await room.jobs.submit(job, Priority.NORMAL, "a")
    await room.jobs.submit(job, Priority.NORMAL, "b")
    lease = room.desk.claim(job.id)
    assert lease is not None
    assert await room.jobs.cancel(job.id, "a") is CancelAnswer.STILL_WANTED
    lease.advance(1, 4)
    assert await room.jobs.cancel(job.id, "b") is CancelAnswer.REQUESTED
    with pytest.raises(CancelRequested):
        lease.advance(2, 4)
    lease.canceled()
    assert await room.jobs.cancel(job.id, "b") is CancelAnswer.ALREADY_DONE


async def test_who_lost_a_run_cannot_withdraw_the_wish_of_who_has_it_now(room: Room):
    job = new_job()
    await room.jobs.submit(job, Priority.NORMAL, "run", 1)
    await room.jobs.submit(job, Priority.NORMAL, "run", 2)
    await room.jobs.submit(job, Priority.NORMAL, "run", 1)  # late
    assert await room.jobs.cancel(job.id, "run", 1) is CancelAnswer.STILL_WANTED
    assert await room.jobs.cancel(job.id, "run", 2) is CancelAnswer.REQUESTED


async def test_a_job_wanted_again_while_it_stops_is_queued_again(room: Room):
    job = new_job()
    await room.jobs.submit(job, Priority.NORMAL, "a")
    lease = room.desk.claim(job.id)
    assert lease is not None
    await room.jobs.cancel(job.id, "a")
    with pytest.raises(CancelRequested):
        lease.advance(1, 4)
    await room.jobs.submit(job, Priority.NORMAL, "b")
    lease.canceled()
    status = await room.jobs.status(job.id)
    assert status is not None
    assert status.state is JobState.QUEUED
    assert room.sent == [(job.id, Priority.NORMAL)] * 2


async def test_a_silent_worker_loses_its_job_and_cannot_end_it(room: Room):
    job = new_job()
    await room.jobs.submit(job, Priority.NORMAL, "a")
    silent = room.desk.claim(job.id)
    assert silent is not None
    room.let_leases_run_out()
    status = await room.jobs.status(job.id)
    assert status is not None
    assert status.state is JobState.QUEUED
    assert room.sent == [(job.id, Priority.NORMAL)] * 2
    second = room.desk.claim(job.id)
    assert second is not None
    with pytest.raises(LeaseLost):
        silent.advance(3, 4)
    with pytest.raises(LeaseLost):
        silent.done(drawing_of(job))
    second.done(drawing_of(job))


async def test_a_job_that_kills_its_workers_is_failed(room: Room):
    job = new_job()
    await room.jobs.submit(job, Priority.NORMAL, "a")
    for _ in range(SETTINGS.max_losses):
        assert room.desk.claim(job.id) is not None
        room.let_leases_run_out()
        status = await room.jobs.status(job.id)
    assert status is not None
    assert status.problem is not None
    assert status.problem.code == "worker_lost"
    assert "ask for a smaller picture" in status.problem.detail


async def test_a_lost_message_is_sent_again(room: Room):
    job = new_job()
    await room.jobs.submit(job, Priority.SPECULATIVE, "a")
    room.let_message_grow_old(job)
    await room.jobs.status(job.id)
    assert room.sent == [(job.id, Priority.SPECULATIVE)] * 2


async def test_another_model_draws_a_job_anew(room: Room):
    job = new_job()
    for model, expected in (("model@1", JobState.QUEUED), ("model@1", JobState.DONE), ("model@2", JobState.QUEUED)):
        presence = Presence(worker="w", backend="b", model=model, device="cpu", dtype="float32", host="h", pid=1)
        with Heartbeat(room.client, KEYS, presence, 60):
            status = await room.jobs.submit(job, Priority.NORMAL, "a")
        assert status.state is expected
        if lease := room.desk.claim(job.id):
            lease.done(drawing_of(job, model))


async def test_endings_are_counted_once_each(room: Room):
    job, other = new_job(), new_job()
    for each in (job, other):
        await room.jobs.submit(each, Priority.NORMAL, "a")
    await room.jobs.cancel(other.id, "a")
    lease = room.desk.claim(job.id)
    assert lease is not None
    lease.failed(Problem(code="draw_failed", detail="no"))
    outcomes = [ending.outcome for _ in range(2) if (ending := await room.jobs.next_ending(1))]
    assert outcomes == ["canceled", "failed"]
    assert await room.jobs.next_ending(0.05) is None


class FailingBackend:
    """A model that raises what it is told to."""

    name = "failing"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def setup(self) -> Loaded:
        return Loaded(model="failing@1", device="cpu", dtype="float32")

    def draw(self, job: ImageJob, references: Sequence[Image.Image], on_step: OnStep) -> Image.Image:
        on_step(1, 2)
        raise self._error


@pytest.mark.parametrize(
    ("error", "code", "says", "stops"),
    [
        (DrawFailed("out of memory at 64 x 64"), "draw_failed", "out of memory at 64 x 64", False),
        (OSError(28, "No space left on device"), "unavailable", "No space left on device", False),
        (ValueError("bad latents"), "draw_failed", "drawing failed: ValueError: bad latents", False),
        (DeviceLost("CUDA error: an illegal memory access"), "device_lost", "device failed: CUDA error", True),
    ],
)
async def test_a_worker_outlives_a_job_that_fails(
    room: Room, blobs: DirectoryBlobs, error: Exception, code: str, says: str, stops: bool
):
    backend = FailingBackend(error)
    presence = Presence(worker="worker-1", backend="failing", host="h", pid=1, **backend.setup()._asdict())
    job = new_job()
    await room.jobs.submit(job, Priority.NORMAL, "a")
    with Heartbeat(room.client, KEYS, presence, 60) as heartbeat:
        worker = Worker(backend, backend.setup(), room.desk, heartbeat, blobs, SETTINGS, "worker-1")
        await asyncio.to_thread(worker.draw, job.id)
    status = await room.jobs.status(job.id)
    assert status is not None
    assert status.state is JobState.FAILED
    assert status.problem is not None
    assert status.problem.code == code
    assert says in status.problem.detail
    assert bool(celery.worker.state.should_stop) is stops
    celery.worker.state.should_stop = None


async def test_more_callers_may_wait_than_a_pool_has_connections_by_default(room: Room, redis_url: str, tmp_path: Path):
    app = build_app(SETTINGS, redis_url, DirectoryBlobs(tmp_path))
    job = ImageJob(prompt="a red cat", seed=4)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://generator") as caller:
        path, body = f"/v1/images/{job.id}", job.model_dump(mode="json")
        await caller.put(path, json=body)
        answers = await asyncio.gather(*(caller.get(path, params={"wait": 3}, timeout=60) for _ in range(130)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_waiter_learns_that_no_worker_is_alive(redis_url: str, room: Room):
    settings = SETTINGS.model_copy(update={"lease_seconds": 0.4})
    async with aioredis.Redis.from_url(redis_url, decode_responses=True) as client:
        jobs, job = Jobs(client, lambda *_: None, settings), new_job()
        await jobs.submit(job, Priority.NORMAL, "a")
        status = await asyncio.wait_for(jobs.wait(job.id, 600), 60)
        assert status and status.state is JobState.QUEUED
        assert status.unattended_seconds is not None and status.unattended_seconds >= 0.4
        presence = Presence(worker="w", backend="b", model="m", device="cpu", dtype="float32", host="h", pid=1)
        with Heartbeat(room.client, KEYS, presence, 60):
            status = await jobs.wait(job.id, 1.5)
        assert status and (status.state, status.unattended_seconds) == (JobState.QUEUED, None)


async def test_the_client_says_that_no_worker_is_alive_and_the_job_waits_on(redis_url: str, room: Room, tmp_path: Path):
    app = build_app(SETTINGS.model_copy(update={"lease_seconds": 0.4}), redis_url, DirectoryBlobs(tmp_path))
    client = GeneratorClient("http://generator", patience=0.5, transport=httpx2.ASGITransport(app))
    job = new_job()
    with pytest.raises(NobodyDraws, match="no generator worker is alive") as raised:
        await asyncio.wait_for(client.draw(job), 60)
    assert raised.value.retryable and raised.value.extra["waited"] >= 0.5
    status = await room.jobs.status(job.id)
    assert status and status.state is JobState.QUEUED
    await client.close()
