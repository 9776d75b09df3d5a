"""The generator over HTTP: idempotent PUTs by the job's digest, long polling, and DELETE when nobody waits any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import httpx2
import structlog
from pydantic import ValidationError

from interleavethinker import http
from interleavethinker.clients.base import ServiceClient
from interleavethinker.errors import (
    Canceled,
    ContentRefused,
    DrawFailed,
    InterleaveError,
    NobodyDraws,
    NotFound,
    Unavailable,
)
from interleavethinker.jobs import JobProgress, JobState, JobStatus, Priority
from interleavethinker.ports import DrawProgress, OnProgress, watching
from interleavethinker.types import Drawing, ImageJob

log = structlog.get_logger(__name__)

WAIT_SECONDS = 30
"""How long one request waits for the ending before it asks again; well below usual proxies' 60 s."""
HINT_SECONDS = 2.0
NOBODY = (
    "no generator worker is alive, so nobody draws what waits: start one, or see in its log why it ended "
    "(`python -m services.generator_service worker`)"
)
DEAF_SECONDS = 1.0
"""Before a stream of progress that was cut, or that is not there yet, is asked for again."""
_STREAM = {"Accept": http.EVENT_STREAM}
_ENDING: set[asyncio.Task[None]] = set()
"""Streams of progress that nobody needs any more; a task that nobody holds may be collected before its end."""


class GeneratorClient(ServiceClient):
    """Implements `ports.Generator` by a generator service."""

    async def draw(self, job: ImageJob) -> Drawing:
        """Draw the job, or get what was drawn before. Cancelling the call cancels a job that nobody else wants.

        Raises Unavailable also when the job waits and no worker is alive for longer than the client's patience; it goes
        on waiting in the queue then, for whoever asks again."""
        try:
            status = await self._drawn(job)
        except asyncio.CancelledError:
            await self.forget(job)
            raise
        if status.state is JobState.CANCELED:
            raise Canceled("the drawing was canceled", job_id=job.id)
        if status.drawing is None:
            raise _failure(status)
        return status.drawing

    async def foresee(self, job: ImageJob) -> None:
        """Queue the job behind all normal ones. Waits for no drawing, and raises nothing: it is only a hint."""
        with suppress(InterleaveError, TimeoutError):
            async with asyncio.timeout(HINT_SECONDS):
                await self._ask("PUT", _path(job), _body(job), None, {"Priority": Priority.SPECULATIVE})

    async def hinted(self, job: ImageJob) -> Drawing | None:
        """The picture of a hint, as soon as it is drawn; None for one that was not taken, or is not there any more."""
        with suppress(InterleaveError):
            while True:
                response = await self._ask("GET", _path(job), None, {"wait": WAIT_SECONDS}, None)
                status = JobStatus.model_validate_json(response.content)
                if status.state.final:
                    return status.drawing
        return None

    async def forget(self, job: ImageJob) -> None:
        """Withdraw a hint or cancel a job. A service that is away is only logged: the caller is done with this job."""
        try:
            await self.call("DELETE", _path(job))
        except Unavailable as error:
            log.warning("a job could not be withdrawn", job_id=job.id, reason=error.detail)

    async def preview(self, job_id: str) -> bytes | None:
        """The latest preview of a job; None when there is none."""
        try:
            return (await self._ask("GET", f"/v1/images/{job_id}/preview", None, None, None)).content
        except NotFound:
            return None

    @asynccontextmanager
    async def _telling(self, job: ImageJob, told: OnProgress | None) -> AsyncIterator[None]:
        """Whoever is `watching` is told how the job comes along, meanwhile."""
        telling = asyncio.create_task(self._tell(job.id, told)) if told else None
        try:
            yield
        finally:
            if telling:
                telling.cancel()  # it ends beside: the picture need not wait for it
                _ENDING.add(telling)
                telling.add_done_callback(_ENDING.discard)

    async def _tell(self, job_id: str, told: OnProgress) -> None:
        """From the stream of the job's progress, opened anew where it is cut. The drawing goes on without it."""
        path = f"/v1/images/{job_id}/progress"
        while True:
            try:
                with self._calling("GET", path):
                    response = await self._open("GET", path, None, None, _STREAM)
                    async with aclosing(response):
                        async for event in http.read_sse(response.aiter_lines()):
                            at = JobProgress.model_validate_json(event.data)
                            told(DrawProgress(job_id, at.step, at.of, at.previews, at.ahead))
                            if at.state.final:
                                return
            except (InterleaveError, httpx2.TransportError, ValidationError) as error:
                log.debug("progress is not heard", job_id=job_id, reason=str(error))
            await asyncio.sleep(DEAF_SECONDS)

    async def _drawn(self, job: ImageJob) -> JobStatus:
        told = watching.get()
        status = await self._put(job, wait=0 if told else WAIT_SECONDS)
        if status.state.final:
            return status
        unattended = 0.0
        async with self._telling(job, told):
            while not status.state.final:
                unattended = 0.0 if status.unattended_seconds is None else unattended + status.unattended_seconds
                if unattended > self.patience:
                    raise NobodyDraws(NOBODY, job_id=job.id, waited=unattended)
                try:
                    response = await self.call("GET", _path(job), params={"wait": WAIT_SECONDS})
                    status = JobStatus.model_validate_json(response.content)
                except NotFound:  # the queue was emptied: asking again is always right
                    status = await self._put(job)
        return status

    async def _put(self, job: ImageJob, *, wait: int = WAIT_SECONDS) -> JobStatus:
        response = await self.call("PUT", _path(job), json=_body(job), params={"wait": wait})
        return JobStatus.model_validate_json(response.content)


def _path(job: ImageJob) -> str:
    return f"/v1/images/{job.id}"


def _body(job: ImageJob) -> object:
    return job.model_dump(mode="json")


def _failure(status: JobStatus) -> DrawFailed | ContentRefused | Unavailable:
    if status.problem is None:
        return DrawFailed("the generator says neither what it drew nor what failed", job_id=status.job_id)
    if status.problem.code == Unavailable.code:
        return Unavailable(status.problem.detail, job_id=status.job_id)
    if status.problem.code == ContentRefused.code:
        return ContentRefused(status.problem.detail, job_id=status.job_id)
    error = DrawFailed(status.problem.detail, job_id=status.job_id, reason=status.problem.code)
    error.retryable = status.problem.retryable
    return error
