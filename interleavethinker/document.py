"""A document is a fold of its run's events: what a reader, an exporter or a trainer sees of a run at any moment.

Deliberately not here: storage (the journal keeps the events, never the document) and layout (pages and exports read
this value).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from interleavethinker.events import (
    Created,
    Drawn,
    Finished,
    Judged,
    Planned,
    Problem,
    Recorded,
    Resumed,
    Screened,
    Started,
    Status,
    StepFinished,
    StepPlanned,
)
from interleavethinker.types import Digest, ImageRef, InterleaveRequest, Screening, Step, Value, Verdict


class DocumentAttempt(Value):
    """One drawing of a step and what the critic said of it; `verdict` is None where nobody judged it (yet). Times in
    seconds."""

    number: int = Field(ge=1)
    prompt: str
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


class DocumentStep(Value):
    """A step with every attempt at it. `kept` and `accepted` as in `StepFinished`; both None while `finished` is
    False."""

    step: Step
    attempts: tuple[DocumentAttempt, ...] = ()
    finished: bool = False
    kept: int | None = None
    accepted: bool | None = None

    @property
    def attempt(self) -> DocumentAttempt | None:
        """The kept attempt; None while the step is open, and for a step that draws nothing."""
        return next((attempt for attempt in self.attempts if attempt.number == self.kept), None)

    @property
    def image(self) -> ImageRef | None:
        """The step's picture: the kept attempt's."""
        return self.attempt.image if self.attempt else None


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

    @property
    def images(self) -> dict[str, ImageRef]:
        """Every picture that belongs to this run, by digest: the brief's own and every attempt's."""
        drawn = (attempt.image for step in self.steps for attempt in step.attempts)
        return {image.digest: image for image in (*self.request.brief.images, *drawn)}

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
            case Drawn() | Judged() | StepFinished() as event:
                steps[event.step] = _after(steps[event.step], event)
            case Finished(status=status, problem=problem):
                facts |= {"status": status, "problem": problem, "finished_at": recorded.at}
            case Resumed(budget=budget):
                facts |= {"status": Status.QUEUED, "problem": None, "finished_at": None}
                if budget:
                    facts |= {"request": first.event.request.model_copy(update={"budget": budget})}
    return Document.model_validate(
        facts
        | {
            "run_id": first.run_id,
            "created_at": first.at,
            "steps": tuple(steps.values()),
            "screenings": tuple(screenings),
        }
    )


def _after(entry: DocumentStep, event: Drawn | Judged | StepFinished) -> DocumentStep:
    """The step one event later."""
    match event:
        case Drawn(number=number, job=job, drawing=drawing):
            attempt = DocumentAttempt(
                number=number,
                prompt=job.prompt,
                seed=job.seed,
                references=job.references,
                job_id=drawing.job_id,
                image=drawing.image,
                model=drawing.model,
                queue_seconds=drawing.queue_seconds,
                draw_seconds=drawing.draw_seconds,
            )
            return entry.model_copy(update={"attempts": (*entry.attempts, attempt)})
        case Judged(number=number, verdict=verdict, seconds=seconds, model=model):
            judged = {"verdict": verdict, "judge_seconds": seconds, "critic": model}
            attempts = (a.model_copy(update=judged) if a.number == number else a for a in entry.attempts)
            return entry.model_copy(update={"attempts": tuple(attempts)})
        case StepFinished(kept=kept, accepted=accepted):
            return entry.model_copy(update={"finished": True, "kept": kept, "accepted": accepted})
