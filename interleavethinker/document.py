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

from interleavethinker.events import (
    AttemptKept,
    Branched,
    Created,
    Drawn,
    Finished,
    Judged,
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
    StepFinished,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import Cost, Digest, ImageRef, InterleaveRequest, Screening, Step, Value, Verdict


class DocumentAttempt(Value):
    """One drawing of a step and what the critic said of it; `verdict` is None where nobody judged it (yet). Times in
    seconds."""

    number: int = Field(ge=1)
    prompt: str
    asked: str | None = Field(default=None, description="what the caller asked for here, where it is not the plan's")
    seed: int
    references: tuple[ImageRef, ...] = ()
    job_id: Digest
    image: ImageRef
    model: str = ""
    verdict: Verdict | None = None
    critic: str = ""
    queue_seconds: float = 0.0
    draw_seconds: float = 0.0
    judge_seconds: float = 0.0
    cost: Cost | None = Field(default=None, description="`cost` and `reported` as in `Drawing`")
    reported: str = ""


class Reopening(Value):
    """How a step is to be drawn again: `first` is the number of its first new attempt, the rest as in
    `StepReopened`."""

    first: int
    prompt: str | None = None
    seed: int | None = None
    max_attempts: int | None = None


class DocumentStep(Value):
    """A step with every attempt at it. `kept` and `accepted` as in `StepFinished`; both None while `finished` is
    False."""

    step: Step
    attempts: tuple[DocumentAttempt, ...] = ()
    finished: bool = False
    kept: int | None = None
    accepted: bool | None = None
    chosen: bool = Field(default=False, description="the kept attempt is the caller's choice")
    stale: bool = Field(default=False, description="its picture was drawn from one that no longer stands")
    reopened: Reopening | None = Field(default=None, description="present while the step is to be drawn again")
    asked: str | None = Field(default=None, description="the caller's last prompt for it, where one was given")

    @property
    def attempt(self) -> DocumentAttempt | None:
        """The kept attempt; None while the step is open, and for a step that draws nothing."""
        return next((attempt for attempt in self.attempts if attempt.number == self.kept), None)

    @property
    def image(self) -> ImageRef | None:
        """The step's picture: the kept attempt's."""
        return self.attempt.image if self.attempt else None


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
    steps: tuple[DocumentStep, ...] = ()
    screenings: tuple[Screening, ...] = Field(
        default=(), description="what the content filter said, where there is one"
    )
    problem: Problem | None = None
    origin: Origin | None = None

    @property
    def images(self) -> dict[str, ImageRef]:
        """Every picture that belongs to this run, by digest: the request's own and every attempt's."""
        drawn = (attempt.image for step in self.steps for attempt in step.attempts)
        return {image.digest: image for image in (*self.request.brief.images, *self.request.references, *drawn)}

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
    facts: dict[str, object] = {"status": Status.QUEUED, "request": first.event.request}
    steps: dict[int, DocumentStep] = {}
    screenings: list[Screening] = []
    for recorded in rest:
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
            case Drawn() | Judged() | StepFinished() | AttemptKept() as event:
                steps[event.step] = _after(steps[event.step], event)
            case StepReopened(budget=budget) as event:
                steps[event.step] = _after(steps[event.step], event)
                facts |= {"status": Status.QUEUED, "problem": None, "finished_at": None}
                if budget:
                    facts |= {"request": first.event.request.model_copy(update={"budget": budget})}
            case Branched(run_id=run_id, from_step=from_step):
                facts |= {"origin": Origin(run_id=run_id, from_step=from_step)}
            case Finished(status=status, problem=problem):
                facts |= {"status": status, "problem": problem, "finished_at": recorded.at}
                if status is Status.CANCELED:  # a canceled redraw is no longer wanted
                    steps = {index: entry.model_copy(update={"reopened": None}) for index, entry in steps.items()}
            case Resumed(budget=budget):
                facts |= {"status": Status.QUEUED, "problem": None, "finished_at": None}
                if budget:
                    facts |= {"request": first.event.request.model_copy(update={"budget": budget})}
    return Document.model_validate(
        facts
        | {
            "run_id": first.run_id,
            "created_at": first.at,
            "steps": tuple(_with_stale(steps.values(), first.event.request)),
            "screenings": tuple(screenings),
        }
    )


def canvas_of(attempt: DocumentAttempt, request: InterleaveRequest) -> ImageRef | None:
    """The picture that the attempt was drawn from: what comes before the request's own references, if anything."""
    return attempt.references[0] if len(attempt.references) > len(request.references) else None


def _with_stale(entries: Iterable[DocumentStep], request: InterleaveRequest) -> Iterator[DocumentStep]:
    """A picture is stale when it, or one before it, was not drawn from what stands before it now."""
    canvas = request.brief.images[-1] if request.brief.images else None
    stale = False
    for entry in entries:
        if entry.attempt:
            stale = stale or canvas_of(entry.attempt, request) != canvas
            canvas = entry.attempt.image
            yield entry.model_copy(update={"stale": stale})
        else:
            yield entry


def _replanned(entry: DocumentStep | None, step: Step) -> DocumentStep:
    return entry if entry and entry.step == step else DocumentStep(step=step)


def _after(entry: DocumentStep, event: Drawn | Judged | StepFinished | StepReopened | AttemptKept) -> DocumentStep:
    """The step one event later."""
    match event:
        case Drawn(number=number, job=job, drawing=drawing):
            attempt = DocumentAttempt(
                number=number,
                prompt=job.prompt,
                asked=entry.asked,
                seed=job.seed,
                references=job.references,
                job_id=drawing.job_id,
                image=drawing.image,
                model=drawing.model,
                queue_seconds=drawing.queue_seconds,
                draw_seconds=drawing.draw_seconds,
                cost=drawing.cost,
                reported=drawing.reported,
            )
            return entry.model_copy(update={"attempts": (*entry.attempts, attempt)})
        case Judged(number=number, verdict=verdict, seconds=seconds, model=model):
            judged = {"verdict": verdict, "judge_seconds": seconds, "critic": model}
            attempts = (a.model_copy(update=judged) if a.number == number else a for a in entry.attempts)
            return entry.model_copy(update={"attempts": tuple(attempts)})
        case StepFinished(kept=kept, accepted=accepted):
            settled = {"finished": True, "kept": kept, "accepted": accepted, "chosen": False, "reopened": None}
            return entry.model_copy(update=settled)
        case AttemptKept(number=number, accepted=accepted):
            return entry.model_copy(update={"kept": number, "accepted": accepted, "chosen": True})
        case StepReopened(prompt=prompt):
            wish = event.model_dump(include={"prompt", "seed", "max_attempts"})
            reopened = Reopening(first=len(entry.attempts) + 1, **wish)
            return entry.model_copy(update={"reopened": reopened, "asked": prompt or entry.asked})
