"""What the house measures and how it logs: the metrics' names, once, and structured lines on stderr.

Nothing here serves /metrics (services/anatomy.py does) and nothing here is asked for an answer.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import structlog
from prometheus_client import Counter, Gauge, Histogram, Info
from pydantic import BaseModel, ConfigDict

from interleavethinker import http
from interleavethinker.settings import load_section

Phase = Literal["plan", "queue", "draw", "judge"]

STEP_SECONDS = Histogram(
    "interleavethinker_step_seconds",
    "Seconds per step, by phase: plan (the planner's answer), queue (waiting for a worker), draw, judge.",
    ["phase"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
for _phase in get_args(Phase):
    STEP_SECONDS.labels(_phase)  # phases that have not happened yet are shown as zero, not as absent
RUNS = Counter("interleavethinker_runs", "Runs that ended, by final status.", ["status"])
VERDICTS = Counter("interleavethinker_verdicts", "Verdicts on attempts, by outcome.", ["outcome"])
MALFORMED = Counter("interleavethinker_malformed_answers", "Model answers that could not be read.", ["role", "reason"])
TOKENS = Counter("interleavethinker_tokens", "Tokens decoded by the language models, by role.", ["role"])
CHAT_TOKENS = Counter(
    "interleavethinker_chat_tokens",
    "Tokens of language models behind a URL, as their servers say, by model and kind: input, output.",
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


@contextmanager
def timed(phase: Phase) -> Iterator[None]:
    """Observe the seconds of a block, also when it raises."""
    start = time.perf_counter()
    try:
        yield
    finally:
        STEP_SECONDS.labels(phase).observe(time.perf_counter() - start)


class LogSettings(BaseModel):
    """`auto` is pretty on a terminal and JSON elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "pretty"] = "auto"


def configure_logging(service: str) -> None:
    """Send structlog and the standard library's logging (uvicorn, celery) to stderr, one line each, with the ids of the
    request and the run that they belong to. Called once by each process, at its start."""
    settings = load_section("log", LogSettings)
    pretty = settings.format == "pretty" or (settings.format == "auto" and sys.stderr.isatty())

    def add_names(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        ids = {"request_id": http.request_id.get(), "run_id": http.run_id.get()}
        return {**event, "service": service, **{name: value for name, value in ids.items() if value}}

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
