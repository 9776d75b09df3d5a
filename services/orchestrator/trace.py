"""Where a run's time went, what its models said, and what it takes to make the same again: read off its events.

Deliberately not here: how events become spans of time (`spans`), and timing anything (events carry their seconds).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, Field

from interleavethinker.document import fold
from interleavethinker.events import (
    Drawn,
    Event,
    Judged,
    Planned,
    Recorded,
    Status,
)
from interleavethinker.types import GenerationParams, ImageRef, InterleaveRequest, Size
from services.orchestrator.drift import Drift
from services.orchestrator.spans import Phase, Span, seconds_between, spans_of


class Answers(BaseModel):
    """Every raw answer of a model to one question, unreadable ones first."""

    phase: Literal["plan", "judge"]
    step: int | None = None
    number: int | None = None
    raw: tuple[str, ...]


class AttemptSettings(BaseModel):
    """What one drawing depends on, beside its model."""

    step: int
    number: int
    prompt: str
    seed: int
    size: Size | None
    params: GenerationParams
    references: tuple[ImageRef, ...]
    job_id: str


class Settings(BaseModel):
    """All that it takes to make the same again. Models as name@revision, prompt packs as digests, by who used them, in
    the order of their first use."""

    request: InterleaveRequest
    models: dict[Literal["planner", "generator", "critic"], list[str]]
    packs: dict[Literal["planner", "critic"], list[str]]
    attempts: list[AttemptSettings]


class Trace(BaseModel):
    """A run's trace, as far as it has come."""

    run_id: str
    status: Status
    elapsed: float = Field(description="seconds since it was asked for, until its last event")
    spans: list[Span] = Field(description="by their start")
    totals: dict[Phase, float] = Field(description="seconds; planning and drawing go on side by side")
    answers: list[Answers]
    settings: Settings
    drift: list[Drift] = Field(default=[], description="how far each kept picture is from the anchor, or the first")


def trace(recorded: Sequence[Recorded]) -> Trace:
    """The trace of a run with these events, from its `Created` on."""
    document, events = fold(recorded), [each.event for each in recorded]
    spans = spans_of(recorded)
    totals: dict[Phase, float] = dict.fromkeys(("wait", "plan", "queue", "draw", "judge"), 0.0)
    for span in spans:
        totals[span.phase] = round(totals[span.phase] + span.end - span.start, 3)
    return Trace(
        run_id=document.run_id,
        status=document.status,
        elapsed=seconds_between(recorded[0].at, recorded[-1].at),
        spans=spans,
        totals=totals,
        answers=list(_answers(events)),
        settings=_settings(document.request, events),
    )


def _answers(events: Sequence[Event]) -> Iterator[Answers]:
    for event in events:
        match event:
            case Planned(raw=raw) if raw:
                yield Answers(phase="plan", raw=raw)
            case Judged(step=step, number=number, raw=raw):
                yield Answers(phase="judge", step=step, number=number, raw=raw)


def _settings(request: InterleaveRequest, events: Sequence[Event]) -> Settings:
    planned = [event for event in events if isinstance(event, Planned)]
    judged = [event for event in events if isinstance(event, Judged)]
    drawn = [event for event in events if isinstance(event, Drawn)]
    return Settings(
        request=request,
        models={
            "planner": _each(event.model for event in planned),
            "generator": _each(event.drawing.model for event in drawn),
            "critic": _each(event.model for event in judged),
        },
        packs={"planner": _each(event.pack for event in planned), "critic": _each(event.pack for event in judged)},
        attempts=[
            AttemptSettings(
                step=event.step,
                number=event.number,
                job_id=event.drawing.job_id,
                **{name: getattr(event.job, name) for name in ("prompt", "seed", "size", "params", "references")},
            )
            for event in drawn
        ],
    )


def _each(names: Iterator[str]) -> list[str]:
    """Each name once, without the empty one of older events."""
    return list(dict.fromkeys(name for name in names if name))
