"""Where a run's time went, what its models said, and what it takes to make the same again: read off its events.

The loop asks for a drawing as soon as its step is planned, the step before it is settled, or the critic refused; so
each attempt has a window, from then until its event, in which the recorded seconds of queue and drawing lie at the end.
What they leave over was waited for something else. Deliberately not here: timing anything (events carry their seconds).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from interleavethinker.document import fold
from interleavethinker.events import (
    Branched,
    Created,
    Drawn,
    Event,
    Finished,
    Judged,
    PlanApproved,
    PlanAwaited,
    Planned,
    Recorded,
    Resumed,
    Started,
    Status,
    StepFinished,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import GenerationParams, ImageRef, InterleaveRequest, Size
from services.orchestrator.rules import stands

Phase = Literal["plan", "queue", "draw", "judge", "wait"]
WORTH_SAYING = 0.05
"""Seconds: shorter gaps are the house's own work between two events, not waiting."""


class Span(BaseModel):
    """What went on from `start` to `end`, in seconds since the run was asked for."""

    phase: Phase
    step: int | None = None
    number: int | None = Field(default=None, description="of the attempt")
    start: float
    end: float
    model: str | None = Field(default=None, description="as name@revision")
    worker: str | None = Field(default=None, description="the process that drew")
    accepted: bool | None = Field(default=None, description="of `judge`: what the verdict came to; null: it abstained")
    ahead: bool = Field(default=False, description="of `draw`: it was drawn before it was asked for here")


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


def trace(recorded: Sequence[Recorded]) -> Trace:
    """The trace of a run with these events, from its `Created` on."""
    document = fold(recorded)
    began, events = recorded[0].at, [each.event for each in recorded]
    spans = sorted(_spans(_own(recorded), began), key=lambda span: (span.start, span.end))
    totals: dict[Phase, float] = dict.fromkeys(("wait", "plan", "queue", "draw", "judge"), 0.0)
    for span in spans:
        totals[span.phase] = round(totals[span.phase] + span.end - span.start, 3)
    return Trace(
        run_id=document.run_id,
        status=document.status,
        elapsed=_seconds(began, recorded[-1].at),
        spans=spans,
        totals=totals,
        answers=list(_answers(events)),
        settings=_settings(document.request, events),
    )


def _own(recorded: Sequence[Recorded]) -> Sequence[Recorded]:
    """Without what was shared by another run: that took no time here."""
    branched = next((place for place, each in enumerate(recorded) if isinstance(each.event, Branched)), 0)
    return [recorded[0], *recorded[branched + 1 :]] if branched else recorded


class _Moment(NamedTuple):
    """Since when something is awaited, in seconds since the run's beginning."""

    at: float
    waits: bool


def _spans(recorded: Sequence[Recorded], began: datetime) -> Iterator[Span]:
    waiting = _Moment(0.0, True)  # for its turn, or for its caller
    free = 0.0  # since when the loop can ask for the next drawing
    planned: dict[int, float] = {}
    modes = next((each.event.request.critic for each in recorded if isinstance(each.event, Created)), None)
    for each in recorded:
        event, at = each.event, _seconds(began, each.at)
        match event:
            case Started():
                if waiting.waits:
                    yield Span(phase="wait", start=waiting.at, end=at)
                waiting, free = _Moment(at, False), at
            case PlanAwaited() | StepReopened() | Resumed():
                waiting = waiting if waiting.waits else _Moment(at, True)
            case PlanApproved():
                if waiting.waits:
                    yield Span(phase="wait", start=waiting.at, end=at)
                waiting = _Moment(at, True)
            case Finished():
                waiting = _Moment(at, False)
            case StepPlanned(step=step):
                planned[step.index] = at
            case Planned(seconds=seconds, model=model):
                yield Span(phase="plan", start=max(0.0, round(at - seconds, 3)), end=at, model=model or None)
            case Drawn():
                yield from _drawing(event, max(free, planned.get(event.step, 0.0)), at)
                free = at
            case Judged(step=index, number=number, verdict=verdict, seconds=seconds, model=model):
                start = max(free, round(at - seconds, 3))
                judged = stands(verdict, modes) if modes else None
                yield Span(
                    phase="judge", step=index, number=number, start=start, end=at, model=model or None, accepted=judged
                )
                free = at
            case StepFinished():
                free = at


def _drawing(event: Drawn, asked: float, at: float) -> Iterator[Span]:
    """What went on between the asking for a drawing and its event."""
    drawing = event.drawing
    whose = {"step": event.step, "number": event.number, "worker": drawing.worker or None}
    model = drawing.model or None
    if drawing.draw_seconds > at - asked + WORTH_SAYING:
        yield Span(phase="draw", start=at, end=at, model=model, ahead=True, **whose)
        return
    drew = max(asked, round(at - drawing.draw_seconds, 3))
    queued = max(asked, round(drew - drawing.queue_seconds, 3))
    if queued - asked > WORTH_SAYING:
        yield Span(phase="wait", step=event.step, number=event.number, start=asked, end=queued)
    yield Span(phase="queue", start=queued, end=drew, **whose)
    yield Span(phase="draw", start=drew, end=at, model=model, **whose)


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


def _seconds(began: datetime, at: datetime) -> float:
    return max(0.0, round((at - began).total_seconds(), 3))
