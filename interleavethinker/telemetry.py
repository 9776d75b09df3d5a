"""What the house measures and how it logs: the metrics' names, once, and structured lines on stderr.

Nothing here serves /metrics (services/anatomy.py does) and nothing here is asked for an answer.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import structlog
from prometheus_client import Counter, Gauge, Histogram, Info
from pydantic import BaseModel, ConfigDict

from interleavethinker import http, tracing
from interleavethinker.settings import load_section

Role = Literal["planner", "critic", "generator"]
Phase = Literal["plan", "queue", "draw", "judge"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
STEP_SECONDS = Histogram(
    "interleavethinker_step_seconds",
    "Seconds of a run's work, by phase (plan, queue: waiting for a worker, draw, judge), step, attempt and generator.",
    ["phase", "step", "attempt", "generator"],
    buckets=_SECONDS,
)
WORK_SECONDS = Histogram(
    "interleavethinker_work_seconds",
    "Seconds of a service's own work on one plan, verdict or drawing, by role and outcome: ok, failed, canceled.",
    ["role", "outcome"],
    buckets=_SECONDS,
)
QUEUE_SECONDS = Histogram(
    "interleavethinker_draw_queue_seconds", "Seconds that a drawing waited for a worker.", buckets=_SECONDS
)
DOCUMENT_SECONDS = Histogram(
    "interleavethinker_document_seconds",
    "Seconds from the asking (or the asking for more) to the end of a run, by final status.",
    ["status"],
    buckets=(1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800),
)
FIRST_PICTURE_SECONDS = Histogram(
    "interleavethinker_first_picture_seconds",
    "Seconds from the asking to the first drawing.",
    buckets=(0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300),
)
HINTS = Counter("interleavethinker_hints", "Drawings foreseen for the next step, by what came of them.", ["outcome"])
DRAWS_ASKED = Counter(
    "interleavethinker_draws_asked",
    "Image jobs that were asked for, by what that took: queued (drawn anew), joined (it waited or was being drawn), "
    "answered (it was there).",
    ["outcome"],
)
DRAWN_IN_VAIN = Counter(
    "interleavethinker_drawn_in_vain_seconds",
    "Seconds that workers drew for nothing: canceled, gave_way (a guess that is begun anew), failed, unused (a guess "
    "that was finished and withdrawn).",
    ["reason"],
)
RUNS = Counter("interleavethinker_runs", "Runs that ended, by final status.", ["status"])
VERDICTS = Counter("interleavethinker_verdicts", "Verdicts on attempts, by outcome.", ["outcome"])
MALFORMED = Counter("interleavethinker_malformed_answers", "Model answers that could not be read.", ["role", "reason"])
TOKENS = Counter("interleavethinker_tokens", "Tokens decoded by the language models, by role.", ["role"])
CHAT_TOKENS = Counter(
    "interleavethinker_chat_tokens",
    "Tokens of the language models, by model and kind: input, output; of those behind a URL as their servers say.",
    ["model", "kind"],
)
CHAT_COST = Counter(
    "interleavethinker_chat_cost",
    "What these cost, by the settings' prices; of an answer that was left early, only what was written.",
    ["model", "currency"],
)
REQUEST_SECONDS = Histogram(
    "interleavethinker_http_request_seconds",
    "Seconds until the last byte of an answer, by route as it is declared.",
    ["service", "method", "route", "status"],
)
TASKS = Gauge("interleavethinker_asyncio_tasks", "Tasks of the event loop, the one that answers among them.")
SERVICE_AWAY = Gauge("interleavethinker_service_away", "1 while calls to a service fail at once: it is away.", ["url"])
SERVING = Info("interleavethinker_serving", "What is really loaded: model, backend, device, prompt pack.", ["service"])


def step_group(index: int) -> str:
    """A step's number as a label: few values, however long the document."""
    return next((name for last, name in ((1, "1"), (4, "2-4"), (8, "5-8")) if index <= last), "9+")


def attempt_group(number: int) -> str:
    return str(number) if number < 3 else "3+"


@contextmanager
def timed(role: Role) -> Iterator[None]:
    """Observe the seconds of a service's own work; `canceled` where its caller left, `failed` where it raises."""
    start, outcome = time.perf_counter(), "ok"
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        outcome = "canceled"
        raise
    except BaseException:
        outcome = "failed"
        raise
    finally:
        WORK_SECONDS.labels(role, outcome).observe(time.perf_counter() - start, tracing.exemplar())


class LogSettings(BaseModel):
    """`auto` is pretty on a terminal and JSON elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "pretty"] = "auto"


def configure_logging(service: str) -> None:
    """Send structlog and the standard library's logging (uvicorn, celery) to stderr, one line each, with the ids of the
    request, the run and the span that they belong to. Called once by each process, at its start."""
    settings = load_section("log", LogSettings)
    pretty = settings.format == "pretty" or (settings.format == "auto" and sys.stderr.isatty())

    def add_names(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        ids = {"request_id": http.request_id.get(), "run_id": http.run_id.get()}
        return {**event, "service": service, **{name: value for name, value in ids.items() if value}, **tracing.ids()}

    shared: list[structlog.typing.Processor] = [
        add_names,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
    )
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(formatter)
    logging.basicConfig(handlers=[out], level=settings.level.upper(), force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each call, which the called service writes too
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
