"""What the orchestrator measures, read off a run's events as they are committed; replayed events are not counted again.

Deliberately not here: timing anything (events carry their seconds) and serving /metrics (services/anatomy.py).
"""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from interleavethinker.events import Drawn, Event, Finished, Judged, Planned, Status, StepFinished
from interleavethinker.telemetry import (
    DOCUMENT_SECONDS,
    FIRST_PICTURE_SECONDS,
    HINTS,
    RUNS,
    STEP_SECONDS,
    VERDICTS,
    Phase,
    attempt_group,
    step_group,
)
from interleavethinker.tracing import exemplar
from interleavethinker.types import Outcome

DRAWS = Counter("interleavethinker_drawings", "Pictures drawn for runs.")
ATTEMPTS = Histogram(
    "interleavethinker_step_attempts", "Attempts per drawn step.", buckets=(1, 2, 3, 4, 5, 7, 10, 15, 20)
)
TAKEOVERS = Counter("interleavethinker_takeovers", "Runs taken over from a replica whose lease ran out.")
UNDER_WAY = Gauge("interleavethinker_runs_under_way", "Runs that this replica works on.")
FOLLOWERS = Gauge("interleavethinker_followers", "Streams of events that this replica serves.")
PREVIEWS = Counter("interleavethinker_previews_served", "Previews of drawings under way that callers were given.")
THUMBNAILS = Counter("interleavethinker_thumbnails_made", "Pictures scaled down for callers.")
JUDGED_AHEAD = Counter(
    "interleavethinker_judged_ahead", "Judgements begun ahead of their turn, and what came of them.", ["outcome"]
)
DRIFT = Histogram(
    "interleavethinker_drift",
    "Distance of each settled picture from its document's anchor, or first picture; measured after the run's end.",
    ["measure"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1),
)
WAITED = Counter("interleavethinker_waited_seconds", "Seconds that runs waited for an absent service.", ["wanted"])

# What has not happened yet is shown as zero, not as absent: a first failure is a rise that an alert sees.
for _status in Status:
    if _status.final:
        RUNS.labels(_status)
        DOCUMENT_SECONDS.labels(_status)
for _outcome in Outcome:
    VERDICTS.labels(_outcome)
for _service in ("planner", "critic", "generator"):
    WAITED.labels(_service)
for _came in ("given", "used", "withdrawn"):
    HINTS.labels(_came)
for _came in ("begun", "used", "in_vain"):
    JUDGED_AHEAD.labels(_came)
for _measure in ("colour", "layout"):
    DRIFT.labels(_measure)


class RunMetrics:
    """Observes one run's new events. `past`: those from before; `began`: when the run, or its last round, was asked
    for. `settled`: the drawn steps that were settled in what was observed."""

    def __init__(self, past: list[Event], began: datetime | None = None) -> None:
        self._attempts: dict[int, int] = {}
        self._generators: dict[int, str] = {}
        self._began = began
        self.settled: set[int] = set()
        for event in past:
            if isinstance(event, Drawn):
                self._drawn(event)

    def observe(self, event: Event, at: datetime | None = None) -> None:
        """`at`: when it was recorded."""
        since = (at - self._began).total_seconds() if at and self._began else None
        match event:
            case Planned(seconds=seconds):
                STEP_SECONDS.labels("plan", "", "", "").observe(seconds, exemplar())
            case Drawn(step=step, number=number, drawing=drawing):
                if not self._attempts and since is not None:
                    FIRST_PICTURE_SECONDS.observe(since, exemplar())
                self._drawn(event)
                DRAWS.inc()
                self._took("queue", step, number, drawing.queue_seconds)
                self._took("draw", step, number, drawing.draw_seconds)
            case Judged(step=step, number=number, verdict=verdict, seconds=seconds):
                VERDICTS.labels(verdict.outcome).inc()
                self._took("judge", step, number, seconds)
            case StepFinished(step=step) if step in self._attempts:
                ATTEMPTS.observe(self._attempts[step])
                self.settled.add(step)
            case Finished(status=status):
                RUNS.labels(status).inc()
                if since is not None:
                    DOCUMENT_SECONDS.labels(status).observe(since, exemplar())

    def _drawn(self, event: Drawn) -> None:
        self._attempts[event.step] = event.number
        self._generators[event.step] = event.drawing.model

    def _took(self, phase: Phase, step: int, number: int, seconds: float) -> None:
        generator = self._generators.get(step, "")
        STEP_SECONDS.labels(phase, step_group(step), attempt_group(number), generator).observe(seconds, exemplar())
