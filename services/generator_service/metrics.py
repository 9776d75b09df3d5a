"""What the generator's API exports, drawn from Redis since the workers serve no HTTP.

Each ending is counted by exactly one API process, so sums over replicas are right. The gauges are equal in all.
"""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import Counter, Gauge

from interleavethinker.errors import Unavailable
from interleavethinker.telemetry import DRAWN_IN_VAIN, DRAWS_ASKED, QUEUE_SECONDS, SERVING, WORK_SECONDS
from services.generator_service.jobs import Ending, Jobs

log = structlog.get_logger(__name__)

DRAWS = Counter("interleavethinker_draws", "Image jobs that ended, by outcome: done, failed, canceled.", ["outcome"])
CALLS = Counter(
    "interleavethinker_hosted_calls",
    "Calls to hosted image models, by outcome: answered, unusable, refused, failed, lost (may have been billed).",
    ["outcome"],
)
COST = Counter(
    "interleavethinker_hosted_draw_cost", "What drawings by hosted models cost, by the settings' prices.", ["currency"]
)
for _outcome in ("answered", "unusable", "refused", "failed", "lost"):
    CALLS.labels(_outcome)
for _outcome in ("queued", "joined", "answered"):
    DRAWS_ASKED.labels(_outcome)
for _reason in ("canceled", "gave_way", "failed", "unused"):
    DRAWN_IN_VAIN.labels(_reason)
WAITING = Gauge("interleavethinker_draw_queue_length", "Jobs that wait for a worker, by priority.", ["priority"])
WORKERS = Gauge("interleavethinker_draw_workers", "Live workers with their model loaded.")
# By worker: as many series as there are live workers, since one that is gone is taken out.
SILENCE = Gauge("interleavethinker_draw_worker_silence_seconds", "Seconds since a worker's last sign.", ["worker"])
MEMORY = Gauge(
    "interleavethinker_draw_worker_memory_bytes",
    "A worker's memory: resident, of its process; gpu_used and gpu_total, of its device.",
    ["worker", "kind"],
)
LOOKUPS = Gauge(
    "interleavethinker_text_cache_lookups",
    "Prompts looked up in the live workers' text caches: hits, misses.",
    ["outcome"],
)

FACTS = ("backend", "model", "device", "dtype", "quantization", "compile", "attention", "verified")
"""Of each worker: what is loaded, how it computes, and what of it was verified at its start."""
_AS_OUTCOME = {"done": "ok", "failed": "failed", "canceled": "canceled"}
for _ending, _outcome in _AS_OUTCOME.items():
    DRAWS.labels(_ending)
    WORK_SECONDS.labels("generator", _outcome)


async def keep_count(jobs: Jobs) -> None:
    """Count endings as they come, and refresh the gauges each second; for ever, also when Redis goes and comes back."""
    while True:
        try:
            if ending := await jobs.next_ending(1.0):
                count(ending)
            await _refresh(jobs)
        except Unavailable as error:
            WORKERS.set(0)
            SILENCE.clear()
            MEMORY.clear()
            log.warning("metrics cannot be refreshed", error=error.detail)
            await asyncio.sleep(1.0)


def count(ending: Ending) -> None:
    """Add one ending to the counters and histograms."""
    if ending.outcome in ("canceled", "failed", "gave_way"):
        DRAWN_IN_VAIN.labels(ending.outcome).inc(ending.draw_seconds or 0)
    if ending.outcome == "gave_way":  # no ending of a job
        return
    DRAWS.labels(ending.outcome).inc()
    for outcome, calls in ending.calls.items():
        CALLS.labels(outcome).inc(calls)
    if ending.cost:
        COST.labels(ending.cost.currency).inc(ending.cost.amount)
    if ending.queue_seconds is not None:
        QUEUE_SECONDS.observe(ending.queue_seconds)
    if ending.draw_seconds is not None:
        WORK_SECONDS.labels("generator", _AS_OUTCOME[ending.outcome]).observe(ending.draw_seconds)


async def _refresh(jobs: Jobs) -> None:
    for priority, length in (await jobs.waiting()).items():
        WAITING.labels(priority).set(length)
    workers = await jobs.workers()
    WORKERS.set(len(workers))
    silences = await jobs.silences(workers)
    SILENCE.clear()
    MEMORY.clear()
    for each in workers:
        if each.worker in silences:
            SILENCE.labels(each.worker).set(silences[each.worker])
        for kind in ("resident", "gpu_used", "gpu_total"):
            if (size := getattr(each, kind)) is not None:
                MEMORY.labels(each.worker, kind).set(size)
    for outcome in ("hits", "misses"):
        LOOKUPS.labels(outcome).set(sum(each.text_cache.get(outcome, 0) for each in workers))
    facts = {name: sorted({getattr(each, name) for each in workers}) for name in FACTS}
    SERVING.labels("generator").info({name: ", ".join(values) for name, values in facts.items()})
