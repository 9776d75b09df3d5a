"""A worker: one process on one device, its model loaded before the first message, one picture a message. Where a server
draws, a worker only waits, and draws several jobs at once, a thread for each.

It never retries and never crashes over a job: whatever goes wrong with one ends it as failed, in words. What a worker
that is killed leaves behind, others put right (jobs.Jobs).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import celery.worker.state
import redis
import structlog
from celery import Celery, Task, signals
from opentelemetry.trace import SpanKind
from PIL import Image
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from interleavethinker import http, tracing
from interleavethinker.errors import BadSettings, InterleaveError, NotFound, Unavailable
from interleavethinker.events import Problem
from interleavethinker.ports import Blobs, put_image
from interleavethinker.types import Drawing, ImageJob
from services.generator_service.backends import open_backend
from services.generator_service.backends.base import Backend, DeviceLost, Loaded, tally
from services.generator_service.finishing import Finishing
from services.generator_service.keys import QUEUES, Keys
from services.generator_service.lease import CancelRequested, Desk, GivesWay, Lease, LeaseLost
from services.generator_service.pictures import marked_png, open_reference
from services.generator_service.presence import Heartbeat, Presence
from services.generator_service.previews import Shown
from services.generator_service.queue import TASK, celery_app, sender
from services.generator_service.settings import GeneratorSettings

log = structlog.get_logger(__name__)

WAITING_AT_ONCE = 4
"""Jobs at once of a worker that only waits for a server, where the settings do not say."""


class Drawn(NamedTuple):
    """A picture in hand, and when its drawing began."""

    job: ImageJob
    picture: Image.Image
    start: float


class Worker:
    """Draws what messages point at. `finishing`: encodes and stores elsewhere; None: the drawing thread does."""

    def __init__(
        self,
        backend: Backend,
        loaded: Loaded,
        desk: Desk,
        heartbeat: Heartbeat,
        blobs: Blobs,
        settings: GeneratorSettings,
        name: str,
        finishing: Finishing | None = None,
    ) -> None:
        self._backend, self._loaded, self._desk = backend, loaded, desk
        self._heartbeat, self._blobs, self._name = heartbeat, blobs, name
        self._max_pixels, self._previews = settings.max_pixels, settings.previews
        self._png_level, self._finishing = settings.png_level, finishing

    def draw(
        self, job_id: str, run_id: str | None = None, request_id: str | None = None, tenant: str | None = None
    ) -> None:
        """The task: draw the job if it is there to be drawn. A duplicate finds it taken or done and does nothing."""
        http.run_id.set(run_id)
        http.request_id.set(request_id)
        http.tenant.set(tenant)
        lease = self._desk.claim(job_id)
        if lease is None:
            log.debug("nothing to draw", job_id=job_id)
            return
        tally.set(lease.tally)
        known = {
            "messaging.system": "celery",
            "messaging.operation.type": "process",
            "gen_ai.operation.name": "generate_content",
            "gen_ai.output.type": "image",
            "gen_ai.request.model": self._loaded.model,
            "interleavethinker.job_id": job_id,
            "interleavethinker.run_id": run_id,
            "interleavethinker.worker": self._name,
        }
        tracing.start("queue", seconds_ago=lease.queue_seconds).end()
        process = tracing.start(f"process {TASK}", known, kind=SpanKind.CONSUMER)
        with ExitStack() as held:
            held.callback(process.end)
            held.enter_context(self._heartbeat.holding(lease.token))
            with tracing.under(process), self._ending(lease):
                start = time.perf_counter()
                job = ImageJob.model_validate_json(lease.job_json)
                references = asyncio.run(self._references(job))
                picture = self._backend.draw(job, references, Shown(lease, self._previews))
                drawn = Drawn(job, picture, start)
                if self._finishing is None:
                    asyncio.run(self._finish(lease, drawn))
                    return
                still_held = held.pop_all()

                def finish() -> None:
                    with still_held, self._ending(lease):
                        asyncio.run(self._finish(lease, drawn))

                self._finishing.hand_over(finish)

    @contextmanager
    def _ending(self, lease: Lease) -> Iterator[None]:
        """Whatever goes wrong within ends the job, in words."""
        try:
            yield
        except CancelRequested:
            with self._lost(lease):
                lease.canceled()
            log.info("canceled", job_id=lease.job_id)
        except GivesWay:
            with self._lost(lease):
                lease.canceled()
            log.debug("gave way to a normal job", job_id=lease.job_id)
        except InterleaveError as error:
            self._fail(lease, Problem(code=error.code, detail=error.detail, retryable=error.retryable))
        except DeviceLost as error:
            self._fail(
                lease, Problem(code="device_lost", detail=f"the worker's device failed: {error}", retryable=True)
            )
            celery.worker.state.should_stop = os.EX_SOFTWARE  # a new process may draw again, this one cannot
        except LeaseLost:
            log.warning("another worker has this job by now", job_id=lease.job_id)
        except OSError as error:  # a full disk, a store that is away: another time, or elsewhere, it may be drawn
            detail = f"the worker cannot read or write pictures ({error.strerror or error}): free the image store"
            self._fail(lease, Problem(code=Unavailable.code, detail=detail, retryable=True))
        except Exception as error:  # whatever a model raises ends its job, not the worker
            log.exception("drawing failed", job_id=lease.job_id)
            self._fail(lease, Problem(code="draw_failed", detail=f"drawing failed: {type(error).__name__}: {error}"))

    async def _finish(self, lease: Lease, drawn: Drawn) -> None:
        """Encode and store the picture, then end the job: whoever waits for it is told at once, before this loop of its
        own is taken down. Nothing else is in the loop that could be kept waiting."""
        picture = drawn.picture
        data = marked_png(picture, drawn.job, self._loaded.model, level=self._png_level)
        image = await put_image(self._blobs, data, width=picture.width, height=picture.height)
        drawing = Drawing(
            job_id=lease.job_id,
            image=image,
            model=self._loaded.model,
            queue_seconds=lease.queue_seconds,
            draw_seconds=time.perf_counter() - drawn.start,
            worker=self._name,
            cost=lease.tally.cost,
            reported=lease.tally.reported,
        )
        lease.done(drawing)
        tracing.annotate({"interleavethinker.image": f"sha256:{image.digest}"})
        log.info("drawn", job_id=lease.job_id, image=image.digest, seconds=round(drawing.draw_seconds, 3))

    async def _references(self, job: ImageJob) -> list[Image.Image]:
        found = []
        for number, reference in enumerate(job.references, start=1):
            name = f"reference {number} of {len(job.references)} ({reference.digest})"
            try:
                data = await self._blobs.get(reference.digest)
            except NotFound as error:
                raise NotFound(f"{name} is not in the image store: upload it again") from error
            found.append(open_reference(data, name=name, max_pixels=self._max_pixels))
        return found

    @contextmanager
    def _lost(self, lease: Lease) -> Iterator[None]:
        try:
            yield
        except LeaseLost:
            log.warning("another worker has this job by now", job_id=lease.job_id)

    def _fail(self, lease: Lease, problem: Problem) -> None:
        tracing.failed(problem.code, problem.detail)
        with self._lost(lease):
            lease.failed(problem)
        log.warning("failed", job_id=lease.job_id, code=problem.code, detail=problem.detail)


def work(settings: GeneratorSettings, redis_url: str, blobs: Blobs) -> None:
    """Load the model, then draw until a signal: SIGTERM lets the drawing under way finish."""
    backend = open_backend(settings)
    at_once = _at_once(backend, settings)
    loaded = backend.setup()
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    presence = Presence(
        worker=name, backend=backend.name, host=socket.gethostname(), pid=os.getpid(), **loaded._asdict()
    )
    client = redis.Redis.from_url(
        redis_url,
        decode_responses=True,
        socket_timeout=10,
        retry=Retry(ExponentialBackoff(cap=2, base=0.05), retries=8),
    )
    app = celery_app(settings, redis_url)
    desk = Desk(client, sender(app), settings, name)
    keys = Keys(settings.namespace)
    lookups = getattr(backend, "lookups", dict)
    with Heartbeat(client, keys, presence, settings.lease_seconds, settings.alive_file, lookups) as heartbeat:
        log.info("ready to draw", **presence.model_dump())
        with ExitStack() as ending:
            finishing = ending.enter_context(Finishing()) if settings.finish_beside else None
            worker = Worker(backend, loaded, desk, heartbeat, blobs, settings, name, finishing)
            _consume(app, worker, name, at_once)


def _consume(app: Celery, worker: Worker, name: str, at_once: int) -> None:
    signals.setup_logging.connect(_as_it_is, weak=False)
    for chatty in ("celery.worker.strategy", "celery.app.trace"):  # our own lines say the same, with the run's id
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if at_once > 1:  # waiting for a server needs no process of its own
        app.conf.update(worker_pool="threads", worker_concurrency=at_once)

    def draw(task: Task, job_id: str, **ids: str | None) -> None:
        with tracing.joined(task.request.headers or {}):
            worker.draw(job_id, **ids)

    app.task(draw, name=TASK, bind=True)
    app.Worker(
        hostname=name,
        queues=list(QUEUES.values()),
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    ).start()


def _at_once(backend: Backend, settings: GeneratorSettings) -> int:
    concurrent = getattr(backend, "concurrent", False)
    if settings.at_once is None:
        return WAITING_AT_ONCE if concurrent else 1
    if settings.at_once > 1 and not concurrent:
        raise BadSettings(
            f"generator.at_once is {settings.at_once}, but {backend.name} draws one picture at a time: "
            "leave it out, and start one worker for each device"
        )
    return settings.at_once


def _as_it_is(**_: object) -> None:
    """Somebody answers Celery's question who sets logging up, so it does not, and our own lines of level info stay."""
