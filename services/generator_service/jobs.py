"""The API's side of a job's life: submit, look, wait, cancel; and noticing that a worker died.

Every change of state is a script of transitions.py. Nothing here draws, and nothing here decides what an answer looks
like over HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import redis.asyncio as aioredis
from pydantic import Field
from redis import RedisError

from interleavethinker import tracing
from interleavethinker.errors import Unavailable
from interleavethinker.events import Problem
from interleavethinker.jobs import CancelAnswer, JobProgress, JobState, JobStatus, Priority, Progress
from interleavethinker.telemetry import DRAWN_IN_VAIN, DRAWS_ASKED
from interleavethinker.types import Cost, Drawing, ImageJob, Value
from services.generator_service import transitions
from services.generator_service.keys import Keys
from services.generator_service.presence import Presence
from services.generator_service.queue import Send
from services.generator_service.settings import GeneratorSettings

LOOK_SECONDS = 1.0
"""How often a waiter looks by itself: endings come by pub/sub within a millisecond, deaths only by looking."""
MESSAGE_PATIENCE = 60.0
"""Seconds after which a job that still waits behind others is announced again, should its message be lost."""


class Ending(Value):
    """A job that ended, as the metrics count it."""

    outcome: Literal["done", "failed", "canceled", "gave_way"] = Field(
        description="gave_way: no ending, the job waits again; only the time it took is counted"
    )
    queue_seconds: float | None = None
    draw_seconds: float | None = Field(default=None, description="that a worker spent, whatever came of it")
    calls: dict[str, int] = Field(default={}, description="to somebody else's server, by outcome")
    cost: Cost | None = None


class Jobs:
    """Job records in Redis. Every method raises Unavailable while Redis is away."""

    def __init__(self, client: aioredis.Redis, send: Send, settings: GeneratorSettings) -> None:
        self._redis, self._send, self._settings = client, send, settings
        self._keys = Keys(settings.namespace)
        self._submit = client.register_script(transitions.SUBMIT)
        self._cancel = client.register_script(transitions.CANCEL)
        self._revive = client.register_script(transitions.REVIVE)

    async def submit(self, job: ImageJob, priority: Priority, holder: str, fence: int = 0) -> JobStatus:
        """Queue the job, or join it where it is queued, being drawn or done. `holder` names who wants it, `fence`
        counts who speaks for it.

        A failed or canceled job starts anew, and so does one that was drawn by another model than the one served now. A
        speculative one is not taken while normal ones wait: it is answered as canceled, and nothing is kept of it.
        """
        async with _reaching():
            models = {worker.model for worker in await self.workers()}
            model = models.pop() if len(models) == 1 else ""
            args: list[Any] = [job.model_dump_json(), priority, holder, model, self._settings.record_seconds, fence]
            args.append(tracing.headers().get("traceparent", ""))
            answer, asked_first = await self._submit(keys=[self._keys.job(job.id), self._keys.waiting], args=args)
        if answer == "declined":
            return JobStatus(job_id=job.id, state=JobState.CANCELED)
        tracing.link_to(asked_first)
        if answer in ("send", "sooner"):
            await asyncio.to_thread(self._send, job.id, priority)
        status = await self.status(job.id) or JobStatus(job_id=job.id, state=JobState.QUEUED)
        if answer == "send":
            DRAWS_ASKED.labels("queued").inc()
        elif answer != "again":  # whoever waits asks again and again
            DRAWS_ASKED.labels("answered" if status.state is JobState.DONE else "joined").inc()
        return status

    async def status(self, job_id: str) -> JobStatus | None:
        """How the job stands, None for an unknown one. Looking also puts right what a dead worker left behind."""
        async with _reaching():
            found = await self._read(job_id)
            if found is None or found.state.final:
                return found  # the common case for one that was woken by the ending: one trip to Redis
            await self._put_right(job_id)
            return await self._read(job_id)

    async def _read(self, job_id: str) -> JobStatus | None:
        fields = ("state", "step", "of", "drawing", "problem")
        state, step, of, drawing, problem = await self._redis.hmget(self._keys.job(job_id), fields)
        return None if state is None else _status(job_id, state, step, of, drawing, problem)

    async def wait(self, job_id: str, seconds: float) -> JobStatus | None:
        """The status once the job has ended, or after so many seconds, or when no worker has been alive for a lease's
        time (less, as after an emptying of Redis, is nothing to tell); None when there is no such job (any more)."""
        deadline, unattended_since = time.monotonic() + seconds, None
        async with _reaching(), self._redis.pubsub(ignore_subscribe_messages=True) as news:
            await news.subscribe(self._keys.job(job_id))
            while True:
                status, now = await self.status(job_id), time.monotonic()
                left = deadline - now
                if status is None or status.state.final:
                    return status
                if status.state is not JobState.QUEUED or await self.workers():
                    unattended_since = None
                else:
                    unattended_since = unattended_since or now
                unattended = None if unattended_since is None else now - unattended_since
                if left <= 0 or (unattended or 0.0) >= self._settings.lease_seconds:
                    return status.model_copy(update={"unattended_seconds": unattended})
                if ended := _told(job_id, await news.get_message(timeout=min(left, LOOK_SECONDS))):
                    return ended

    async def progress(self, job_id: str) -> AsyncGenerator[JobProgress, None]:
        """How the job comes along, now and whenever that has changed, until it has ended or is not known any more.

        The worker's words come by pub/sub; the place among waiting jobs is looked at once a second.
        """
        told: JobProgress | None = None
        async with _reaching(), self._redis.pubsub(ignore_subscribe_messages=True) as news:
            await news.subscribe(self._keys.job(job_id), self._keys.progress(job_id))
            while (now := await self._progress(job_id)) is not None:
                if now != told:
                    yield (told := now)
                if now.state.final:
                    return
                await news.get_message(timeout=LOOK_SECONDS)

    async def preview(self, job_id: str) -> bytes | None:
        """The latest preview of the job, a JPEG; None when there is none."""
        async with _reaching():
            found = await self._redis.get(self._keys.preview(job_id))
        return base64.b64decode(found) if found else None

    async def _progress(self, job_id: str) -> JobProgress | None:
        fields = ("state", "step", "of", "previews")
        state, step, of, previews = await self._redis.hmget(self._keys.job(job_id), fields)
        if state is None:
            return None
        queued = state == JobState.QUEUED
        ahead = await self._redis.zrank(self._keys.waiting, self._keys.job(job_id)) if queued else None
        counts = {"step": step or 0, "of": of or 0, "previews": previews or 0, "ahead": ahead}
        return JobProgress(job_id=job_id, state=JobState(str(state)), **counts)

    async def cancel(self, job_id: str, holder: str, fence: int = 0) -> CancelAnswer:
        """Withdraw the holder's wish; the job stops at its next step when nobody else wants it. A wish with a higher
        fence stays."""
        keys = [self._keys.job(job_id), self._keys.endings, self._keys.waiting]
        async with _reaching():
            answer = await self._cancel(keys=keys, args=[holder, Ending(outcome="canceled").model_dump_json(), fence])
            if answer == CancelAnswer.ALREADY_DONE:
                await self._note_unused(job_id)
        return CancelAnswer(answer)

    async def _note_unused(self, job_id: str) -> None:
        """Count, once, what was drawn on a guess and withdrawn before anybody asked for it in earnest."""
        key = self._keys.job(job_id)
        priority, drawing = await self._redis.hmget(key, ("priority", "drawing"))
        if priority == Priority.SPECULATIVE and drawing and await self._redis.hsetnx(key, "unused", "1"):
            DRAWN_IN_VAIN.labels("unused").inc(Drawing.model_validate_json(drawing).draw_seconds)

    async def discard(self, job_id: str) -> None:
        """Forget a finished job, so that it is drawn again."""
        async with _reaching():
            await self._redis.delete(self._keys.job(job_id))

    async def workers(self) -> list[Presence]:
        """The live workers, their model loaded."""
        async with _reaching():
            names = sorted(map(str, await self._redis.smembers(self._keys.workers)))
            said = await self._redis.mget([self._keys.worker(name) for name in names]) if names else []
            if gone := [name for name, text in zip(names, said, strict=True) if text is None]:
                await self._redis.srem(self._keys.workers, *gone)
        return [Presence.model_validate_json(text) for text in said if text is not None]

    async def silences(self, workers: Sequence[Presence]) -> dict[str, float]:
        """Seconds since each worker's last sign of life, by Redis' own clock; those that are gone are left out."""
        async with _reaching(), self._redis.pipeline(transaction=False) as asked:
            for each in workers:
                asked.pttl(self._keys.worker(each.worker))
            left = await asked.execute() if workers else []
        known = zip(workers, left, strict=True)
        return {each.worker: max(0.0, self._settings.lease_seconds - ms / 1000) for each, ms in known if ms >= 0}

    async def waiting(self) -> dict[Priority, int]:
        """Messages in each queue."""
        async with _reaching():
            return {priority: await self._redis.llen(self._keys.queue(priority)) for priority in Priority}

    async def next_ending(self, seconds: float) -> Ending | None:
        """The next job that ended, for the one process that takes it; None when none does in so many seconds."""
        async with _reaching():
            found: Any = await self._redis.blpop([self._keys.endings], timeout=seconds)
        return Ending.model_validate_json(found[1]) if found else None

    async def _put_right(self, job_id: str) -> None:
        idle = not any((await self.waiting()).values())
        lost = Problem(
            code="worker_lost",
            detail=f"{self._settings.max_losses} workers died while they drew this job; ask for a smaller picture",
        )
        args: list[Any] = [
            self._keys.lease(""),
            self._settings.lease_seconds if idle else MESSAGE_PATIENCE,
            self._settings.max_losses,
            lost.model_dump_json(),
            Ending(outcome="failed").model_dump_json(),
        ]
        queue = await self._revive(keys=[self._keys.job(job_id), self._keys.endings, self._keys.waiting], args=args)
        if queue:
            await asyncio.to_thread(self._send, job_id, Priority(queue))


def _told(job_id: str, message: dict[str, Any] | None) -> JobStatus | None:
    """The status that the news of an ending holds, None for other news: the record need not be read once more."""
    state, *rest = str(message["data"]).split(" ", 3) if message else [""]
    if len(rest) != 3:  # also what a worker of an earlier release says
        return None
    step, of, value = rest
    drawing, problem = (value if state == wanted else None for wanted in (JobState.DONE, JobState.FAILED))
    return _status(job_id, state, step, of, drawing, problem)


def _status(job_id: str, state: Any, step: Any, of: Any, drawing: Any, problem: Any) -> JobStatus:
    """From what the record holds."""
    return JobStatus(
        job_id=job_id,
        state=JobState(str(state)),
        progress=Progress(step=step or 0, of=of or 0),
        drawing=Drawing.model_validate_json(drawing) if drawing else None,
        problem=Problem.model_validate_json(problem) if problem else None,
    )


@asynccontextmanager
async def _reaching() -> AsyncIterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unavailable(f"the generator's Redis does not answer: {error}") from error
