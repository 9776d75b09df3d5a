"""The generator's HTTP: PUT, GET and DELETE of /v1/images/{job_id}. It queues and answers; the workers draw."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import redis.asyncio as aioredis
from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from interleavethinker import http
from interleavethinker.errors import BadRequest, NotFound, Unavailable
from interleavethinker.jobs import Cancellation, JobProgress, JobStatus, Priority
from interleavethinker.ports import Blobs
from interleavethinker.types import ImageJob
from services.anatomy import service_app
from services.generator_service.jobs import Jobs
from services.generator_service.metrics import keep_count
from services.generator_service.queue import celery_app, sender
from services.generator_service.settings import GeneratorSettings

ANYONE = "anyone"
"""Who wants a job, where no run is named."""
QUIET_SECONDS = 15.0
MOST_CONNECTIONS = 10_000
"""To Redis, whose own limit this is by default. Whoever waits for a job holds one, and the client's default of 100 is
less than the runs that may wait."""

JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="the job's digest: SHA-256 of its canonical JSON")]
_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})")


def wait_seconds(
    wait: Annotated[float | None, Query(ge=0, description="seconds to wait for the ending")] = None,
    prefer: Annotated[str | None, Header(description="`wait=N` (RFC 7240), the same")] = None,
) -> float:
    """How long the caller would wait; 0 where nothing is said."""
    if wait is not None:
        return wait
    found = _WAIT.search(prefer or "")
    return float(found[1]) if found else 0.0


Wait = Annotated[float, Depends(wait_seconds)]
Urgency = Annotated[Priority, Header(alias="Priority", description="speculative: drawn while no normal job waits")]


def build_app(settings: GeneratorSettings, redis_url: str, blobs: Blobs) -> FastAPI:
    """The service on the given Redis and image store."""
    client = aioredis.Redis.from_url(redis_url, decode_responses=True, max_connections=MOST_CONNECTIONS)
    jobs = Jobs(client, sender(celery_app(settings, redis_url)), settings)

    async def ready() -> list[str]:
        try:
            return [] if await jobs.workers() else ["no worker with a loaded model is alive"]
        except Unavailable as error:
            return [error.detail]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        counting = asyncio.create_task(keep_count(jobs))
        yield
        while not counting.done():  # its client may lose a cancel that comes together with an answer of Redis
            counting.cancel()
            await asyncio.wait({counting}, timeout=1)
        await client.aclose()

    app = service_app(
        "generator",
        ready=ready,
        title="InterleaveThinker generator",
        description="Draws and edits pictures. A job is named by its content: asking twice draws once.",
        lifespan=lifespan,
    )

    @app.put("/v1/images/{job_id}", responses={202: {"model": JobStatus, "description": "queued or being drawn"}})
    async def put_job(
        job_id: JobId,
        job: ImageJob,
        wait: Wait,
        request: Request,
        response: Response,
        priority: Urgency = Priority.NORMAL,
    ) -> JobStatus:
        """Ask for the picture, or join whoever asked before. 200 when it has ended, 202 while it has not."""
        _check(job_id, job, settings)
        status = await jobs.submit(job, priority, *_holder())
        if status.drawing and not await blobs.has(status.drawing.image.digest):
            await jobs.discard(job_id)
            status = await jobs.submit(job, priority, *_holder())
        if wait and not status.state.final:
            waited = await jobs.wait(job_id, min(wait, settings.max_wait_seconds))
            status = waited or await jobs.submit(job, priority, *_holder())  # Redis was emptied meanwhile
        if not status.state.final:
            response.status_code = 202
            response.headers["Location"] = str(request.url_for("get_job", job_id=job_id))
        return status

    @app.get("/v1/images/{job_id}")
    async def get_job(job_id: JobId, wait: Wait) -> JobStatus:
        """How the job stands; with `wait`, as soon as it has ended."""
        status = await jobs.wait(job_id, min(wait, settings.max_wait_seconds)) if wait else await jobs.status(job_id)
        if status is None:
            raise _unknown(job_id)
        return status

    @app.get(
        "/v1/images/{job_id}/progress",
        response_class=StreamingResponse,
        responses={
            200: {"description": "`progress` events, each a `JobProgress`.", "content": {http.EVENT_STREAM: {}}}
        },
    )
    async def follow_job(job_id: JobId) -> StreamingResponse:
        """How the job comes along, as server-sent events whenever that has changed; ends when the job has ended."""
        progress = jobs.progress(job_id)
        if (first := await anext(progress, None)) is None:
            raise _unknown(job_id)
        return StreamingResponse(
            _as_sse(first, progress), media_type=http.EVENT_STREAM, headers={"Cache-Control": "no-store"}
        )

    @app.get(
        "/v1/images/{job_id}/preview",
        response_class=Response,
        responses={200: {"description": "The preview.", "content": {"image/jpeg": {}}}},
    )
    async def get_preview(job_id: JobId) -> Response:
        """The latest small picture of a job that is being drawn. It is gone soon after."""
        if (data := await jobs.preview(job_id)) is None:
            raise NotFound(
                f"there is no preview of job {job_id}: it is not being drawn, or nobody follows its progress"
            )
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @app.delete("/v1/images/{job_id}")
    async def cancel_job(job_id: JobId) -> Cancellation:
        """Cancel. A job that other runs asked for too goes on; callers name theirs in X-Run-Id."""
        return Cancellation(job_id=job_id, cancel=await jobs.cancel(job_id, *_holder()))

    return app


async def _as_sse(first: JobProgress, rest: AsyncGenerator[JobProgress, None]) -> AsyncIterator[bytes]:
    upcoming = asyncio.ensure_future(anext(rest, None))
    try:
        yield http.sse("progress", first)
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=QUIET_SECONDS)
            if not done:
                yield http.SSE_COMMENT
            elif (told := upcoming.result()) is not None:
                upcoming = asyncio.ensure_future(anext(rest, None))
                yield http.sse("progress", told)
            else:
                return
    finally:
        upcoming.cancel()


def _unknown(job_id: str) -> NotFound:
    return NotFound(f"there is no job {job_id}: PUT it (again), nothing is drawn twice")


def _holder() -> tuple[str, int]:
    """Who asks, and its fence."""
    return http.run_id.get() or ANYONE, http.run_fence.get()


def _check(job_id: str, job: ImageJob, settings: GeneratorSettings) -> None:
    if job.id != job_id:
        raise BadRequest(f"this job's id is {job.id} (the SHA-256 of its canonical JSON), not {job_id}", job_id=job.id)
    if job.size and job.size.width * job.size.height > settings.max_pixels:
        raise BadRequest(f"size {job.size.width} x {job.size.height}: at most {settings.max_pixels} pixels are drawn")
