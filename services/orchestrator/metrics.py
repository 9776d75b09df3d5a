"""What the orchestrator measures, read off a run's events as they are committed; replayed events are not counted again.

Deliberately not here: timing anything (events carry their seconds) and serving /metrics (services/anatomy.py).
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from interleavethinker.events import Drawn, Event, Finished, Judged, Planned, StepFinished
from interleavethinker.telemetry import RUNS, STEP_SECONDS, VERDICTS

DRAWS = Counter("interleavethinker_drawings", "Pictures drawn for runs.")
ATTEMPTS = Histogram(
    "interleavethinker_step_attempts", "Attempts per drawn step.", buckets=(1, 2, 3, 4, 5, 7, 10, 15, 20)
)
TAKEOVERS = Counter("interleavethinker_takeovers", "Runs taken over from a replica whose lease ran out.")
UNDER_WAY = Gauge("interleavethinker_runs_under_way", "Runs that this replica works on.")
FOLLOWERS = Gauge("interleavethinker_followers", "Streams of events that this replica serves.")
PREVIEWS = Counter("interleavethinker_previews_served", "Previews of drawings under way that callers were given.")
THUMBNAILS = Counter("interleavethinker_thumbnails_made", "Pictures scaled down for callers.")
WAITED = Counter("interleavethinker_waited_seconds", "Seconds that runs waited for an absent service.", ["service"])


class RunMetrics:
    """Observes one run's new events; `past` are those from before a restart."""

    def __init__(self, past: list[Event]) -> None:
        self._attempts = {event.step: event.number for event in past if isinstance(event, Drawn)}

    def observe(self, event: Event) -> None:
        match event:
            case Planned(seconds=seconds):
                STEP_SECONDS.labels("plan").observe(seconds)
            case Drawn(step=step, number=number, drawing=drawing):
                self._attempts[step] = number
                DRAWS.inc()
                STEP_SECONDS.labels("queue").observe(drawing.queue_seconds)
                STEP_SECONDS.labels("draw").observe(drawing.draw_seconds)
            case Judged(verdict=verdict, seconds=seconds):
                VERDICTS.labels(verdict.outcome).inc()
                STEP_SECONDS.labels("judge").observe(seconds)
            case StepFinished(step=step) if step in self._attempts:
                ATTEMPTS.observe(self._attempts[step])
            case Finished(status=status):
                RUNS.labels(status).inc()
