"""A run's events as spans of time: planning, queueing, drawing, judging, and what was waited for between them.

The loop asks for a drawing as soon as its step is planned, the step before it is settled, or the critic refused; so
each attempt has a window, from then until its event, in which the recorded seconds of queue and drawing lie at the end.
What they leave over was waited for something else: a service that was away, or another try.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from interleavethinker.events import (
    Branched,
    Created,
    Drawn,
    Finished,
    Judged,
    PlanApproved,
    PlanAwaited,
    Planned,
    Recorded,
    Resumed,
    Started,
    StepFinished,
    StepPlanned,
    StepReopened,
)
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


def spans_of(recorded: Sequence[Recorded]) -> list[Span]:
    """By their start."""
    return sorted(_spans(_own(recorded), recorded[0].at), key=lambda span: (span.start, span.end))


def seconds_between(began: datetime, at: datetime) -> float:
    return max(0.0, round((at - began).total_seconds(), 3))


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
    last = 0.0
    planned: dict[int, float] = {}
    modes = next((each.event.request.critic for each in recorded if isinstance(each.event, Created)), None)
    for each in recorded:
        event, at = each.event, seconds_between(began, each.at)
        match event:
            case Started():
                if waiting.waits:
                    yield Span(phase="wait", start=waiting.at, end=at)
                elif at - last > WORTH_SAYING:  # whoever worked on it was lost; it was taken over
                    yield Span(phase="wait", start=last, end=at)
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
        last = at


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
