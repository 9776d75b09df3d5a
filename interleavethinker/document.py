"""A document is a fold of its run's events: what a reader, an exporter or a trainer sees of a run at any moment.

Deliberately not here: storage (the journal keeps the events, never the document) and layout (pages and exports read
this value).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import Field

from interleavethinker.arrangement import Arrangement
from interleavethinker.entries import DocumentAttempt, DocumentStep, Reopening, after, inserted
from interleavethinker.events import (
    AttemptKept,
    Branched,
    Created,
    Drawn,
    Finished,
    Judged,
    Pinned,
    PlanApproved,
    PlanAwaited,
    PlanEdited,
    Planned,
    Problem,
    Recorded,
    Resumed,
    Screened,
    Started,
    Status,
    StepEdited,
    StepFinished,
    StepInserted,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import ImageRef, InterleaveRequest, Screening, Step, Value

__all__ = ["Document", "DocumentAttempt", "DocumentStep", "Origin", "Reopening", "fold"]


class Origin(Value):
    """The run that this one was branched from: the steps before `from_step` are its."""

    run_id: str
    from_step: int


class Document(Value):
    """A run as it stands: the request, the plan's thoughts, the steps in order, and how it ended if it has."""

    run_id: str
    status: Status
    request: InterleaveRequest
    created_at: datetime
    finished_at: datetime | None = None
    reasoning: str = ""
    planner: str = Field(default="", description="what wrote the plan, as name@revision; `critic` and `model` likewise")
    plan_seconds: float = 0.0
    steps: tuple[DocumentStep, ...] = Field(default=(), description="in the order in which they are shown")
    deleted: tuple[DocumentStep, ...] = Field(default=(), description="steps that were taken out; can be put back")
    screenings: tuple[Screening, ...] = Field(
        default=(), description="what the content filter said, where there is one"
    )
    problem: Problem | None = None
    origin: Origin | None = None

    @property
    def images(self) -> dict[str, ImageRef]:
        """Every picture that belongs to this run, by digest: the request's own and every attempt's."""
        steps = (*self.steps, *self.deleted)
        attempts = [attempt for step in steps for attempt in step.attempts]
        pinned = [image for step in steps for image in step.references or ()]
        given = (*self.request.brief.images, *self.request.references, *pinned)
        used = (image for attempt in attempts for image in (*attempt.references, attempt.image))
        return {image.digest: image for image in (*given, *used)}

    @property
    def digest(self) -> str:
        """SHA-256 over the finished steps' content: texts, kept pictures, and each attempt's prompt, seed and verdict.

        Left out is what chance decides (times, the run's id, how far a step came that was cut short), so that an
        interrupted run and an undisturbed one can be compared.
        """
        content = [
            {
                "step": entry.step.model_dump(mode="json"),
                "attempts": [
                    [attempt.prompt, attempt.seed, attempt.verdict and attempt.verdict.model_dump(mode="json")]
                    for attempt in entry.attempts
                ],
                "image": entry.image and entry.image.digest,
                "accepted": entry.accepted,
            }
            for entry in self.steps
            if entry.finished
        ]
        text = json.dumps([self.request.brief.model_dump(mode="json"), content], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def fold(events: Iterable[Recorded]) -> Document:
    """The document after these events: any prefix of a run, from its `Created` on.

    Raises ValueError when they do not begin with a `Created` (then they are no prefix of a run).
    """
    first, *rest = events
    if not isinstance(first.event, Created):
        raise ValueError(f"a run begins with a created event, not with {first.event.type}")
    facts: dict[str, object] = {"status": Status.QUEUED}
    again = {"status": Status.QUEUED, "problem": None, "finished_at": None}
    request, arrangement = first.event.request, Arrangement()
    steps: dict[int, DocumentStep] = {}
    screenings: list[Screening] = []
    for recorded in rest:
        arrangement.hear(recorded.event)
        match recorded.event:
            case Started():
                facts |= {"status": Status.PROCESSING}
            case StepPlanned(step=step):
                steps[step.index] = DocumentStep(step=step)
            case Planned(plan=plan, seconds=seconds, model=model):
                facts |= {"reasoning": plan.reasoning, "plan_seconds": seconds, "planner": model}
            case Screened(screening=screening):
                screenings.append(screening)
            case PlanEdited(plan=plan):
                steps = {step.index: _replanned(steps.get(step.index), step) for step in plan.steps}
            case PlanAwaited():
                facts |= {"status": Status.WAITING}
            case PlanApproved():
                facts |= {"status": Status.QUEUED}
            case StepInserted() as event:
                steps[event.step.index] = inserted(event)
            case StepEdited() as event:
                steps[event.step.index] = after(steps[event.step.index], event, request.references)
            case Pinned(references=references):
                request = request.model_copy(update={"references": references})
            case Drawn() | Judged() | StepFinished() | AttemptKept() as event:
                steps[event.step] = after(steps[event.step], event, request.references)
            case StepReopened(budget=budget) as event:
                steps[event.step] = after(steps[event.step], event, request.references)
                facts |= again
                request = request.model_copy(update={"budget": budget or request.budget})
            case Branched(run_id=run_id, from_step=from_step):
                facts |= {"origin": Origin(run_id=run_id, from_step=from_step)}
            case Finished(status=status, problem=problem):
                facts |= {"status": status, "problem": problem, "finished_at": recorded.at}
                if status is Status.CANCELED:  # a canceled redraw is no longer wanted
                    steps = {index: entry.model_copy(update={"reopened": None}) for index, entry in steps.items()}
            case Resumed(budget=budget):
                facts |= again
                request = request.model_copy(update={"budget": budget or request.budget})
    shown = [
        steps[index].model_copy(update={"number": number})
        for number, index in enumerate(arrangement.order, arrangement.first)
    ]
    return Document.model_validate(
        facts
        | {
            "run_id": first.run_id,
            "created_at": first.at,
            "request": request,
            "steps": tuple(_with_stale(shown, request)),
            "deleted": tuple(entry for index, entry in steps.items() if index not in arrangement.order),
            "screenings": tuple(screenings),
        }
    )


def _with_stale(entries: Iterable[DocumentStep], request: InterleaveRequest) -> Iterator[DocumentStep]:
    """A picture is stale when it, or one before it, was not drawn from what stands before it now, or from the prompt
    that its step has now."""
    canvas, stale = request.first_canvas, False
    for entry in entries:
        if entry.attempt:
            if request.independent_steps:
                stale, canvas = False, request.first_canvas  # nothing that happens to another step touches it
            stale = stale or entry.reworded or entry.attempt.canvas != canvas
            canvas = entry.attempt.image
            yield entry.model_copy(update={"stale": stale})
        else:
            yield entry


def _replanned(entry: DocumentStep | None, step: Step) -> DocumentStep:
    return entry if entry and entry.step == step else DocumentStep(step=step)
