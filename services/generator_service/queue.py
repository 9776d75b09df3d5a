"""The Celery app: how a worker is told that there may be something to draw.

A message says only "look at job X"; what there is to do stands in the job's record (transitions.py). So lost, late and
duplicate messages do no harm, and neither images nor prompts travel through the broker.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError
from opentelemetry.trace import SpanKind

from interleavethinker import http, tracing
from interleavethinker.errors import Unavailable
from interleavethinker.jobs import Priority
from services.generator_service.keys import QUEUES, Keys
from services.generator_service.settings import GeneratorSettings

TASK = "draw"

Send = Callable[[str, Priority], None]
"""Sends the message for a job id. Blocks for milliseconds; raises Unavailable when Redis is away."""


def celery_app(settings: GeneratorSettings, redis_url: str) -> Celery:
    """The queue on the given Redis; API and worker build the same one."""
    app = Celery("generator", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],  # a message that is a pickle would run whatever its sender wants
        result_accept_content=["json"],
        task_ignore_result=True,
        task_queues=[Queue(name) for name in QUEUES.values()],
        task_default_queue=QUEUES[Priority.NORMAL],
        task_create_missing_queues=False,
        task_acks_late=True,
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_step": 0.3},
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_pool="solo",  # one process per device: prefork and CUDA do not mix
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "global_keyprefix": Keys(settings.namespace).prefix,
            # Redelivery is no recovery here (the lease is): it must never come while a drawing is under way.
            "visibility_timeout": 6 * settings.longest_draw_seconds,
            "queue_order_strategy": "sorted",
            "priority_steps": [0],
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
        },
    )
    return app


def sender(app: Celery) -> Send:
    """The message carries the ids of the run and the request, for the worker's log, and whose job it is; its headers
    carry the trace."""

    def send(job_id: str, priority: Priority) -> None:
        known = {
            "messaging.system": "celery",
            "messaging.operation.type": "send",
            "messaging.destination.name": QUEUES[priority],
            "interleavethinker.job_id": job_id,
        }
        ids = {"run_id": http.run_id.get(), "request_id": http.request_id.get(), "tenant": http.tenant.get()}
        with tracing.span(f"send {TASK}", known, kind=SpanKind.PRODUCER) if tracing.ids() else nullcontext():
            try:
                # No routing key: then Celery sends straight to the queue, without bindings in Redis that could be
                # emptied.
                app.send_task(TASK, args=[job_id], kwargs=ids, queue=QUEUES[priority], headers=tracing.headers())
            except OperationalError as error:
                raise Unavailable(f"the generator's queue (Redis) does not answer: {error}") from error

    return send
