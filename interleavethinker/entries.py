"""The steps of a document with the attempts at them, and how each event changes them.

Deliberately not here: the order of the steps (`arrangement`), and the document (`document`).
"""

from __future__ import annotations

from pydantic import Field

from interleavethinker.events import AttemptKept, Drawn, Judged, StepEdited, StepFinished, StepInserted, StepReopened
from interleavethinker.types import Cost, Digest, ImageRef, Step, Value, Verdict


class DocumentAttempt(Value):
    """One drawing of a step and what the critic said of it; `verdict` is None where nobody judged it (yet). Times in
    seconds."""

    number: int = Field(ge=1)
    prompt: str
    asked: str | None = Field(default=None, description="what the caller asked for here, where it is not the plan's")
    seed: int
    references: tuple[ImageRef, ...] = ()
    canvas: ImageRef | None = Field(default=None, description="which of the references it was drawn from, if any")
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
    number: int = Field(
        default_factory=lambda said: said["step"].index,
        description="what a reader sees: the steps' numbers follow the order in which they are shown",
    )
    attempts: tuple[DocumentAttempt, ...] = ()
    finished: bool = False
    kept: int | None = None
    accepted: bool | None = None
    chosen: bool = Field(default=False, description="the kept attempt is the caller's choice")
    stale: bool = Field(default=False, description="its picture was drawn from what no longer stands")
    reworded: bool = Field(default=False, description="its prompt is another one since its picture was drawn")
    reopened: Reopening | None = Field(default=None, description="present while the step is to be drawn again")
    asked: str | None = Field(default=None, description="the caller's last prompt for it, where one was given")
    references: tuple[ImageRef, ...] | None = Field(default=None, description="the caller's last ones for it, if any")

    @property
    def wanted(self) -> str | None:
        """The prompt that it is, or would be, drawn from first."""
        return self.asked or self.step.prompt

    @property
    def attempt(self) -> DocumentAttempt | None:
        """The kept attempt; None while the step is open, and for a step that draws nothing."""
        return next((attempt for attempt in self.attempts if attempt.number == self.kept), None)

    @property
    def image(self) -> ImageRef | None:
        """The step's picture: the kept attempt's."""
        return self.attempt.image if self.attempt else None


StepEvent = Drawn | Judged | StepFinished | StepReopened | StepEdited | AttemptKept


def inserted(event: StepInserted) -> DocumentStep:
    """A step in words only is there at once; one with a prompt is to be drawn."""
    return DocumentStep(step=event.step, finished=not event.step.prompt)


def after(entry: DocumentStep, event: StepEvent, pinned: tuple[ImageRef, ...]) -> DocumentStep:
    """The step one event later; `pinned`: the references that the run has by then."""
    match event:
        case Drawn(number=number, job=job, drawing=drawing):
            given = pinned if entry.references is None else entry.references
            attempt = DocumentAttempt(
                number=number,
                prompt=job.prompt,
                asked=entry.asked,
                seed=job.seed,
                references=job.references,
                canvas=job.references[0] if len(job.references) > len(given) else None,
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
            return entry.model_copy(update=settled | {"reworded": False})
        case AttemptKept(number=number, accepted=accepted):
            return entry.model_copy(update={"kept": number, "accepted": accepted, "chosen": True, "reworded": False})
        case StepReopened(prompt=prompt, references=references):
            wish = event.model_dump(include={"prompt", "seed", "max_attempts"})
            reopened = Reopening(first=len(entry.attempts) + 1, **wish)
            held = entry.references if references is None else references
            return entry.model_copy(update={"reopened": reopened, "asked": prompt or entry.asked, "references": held})
        case StepEdited(step=step):
            return _reworded(entry, step)


def _reworded(entry: DocumentStep, step: Step) -> DocumentStep:
    """The step with other texts. What its attempts were asked for stays with them, and a new prompt takes the place of
    whatever was last asked for."""
    if step.prompt == entry.step.prompt:
        return entry.model_copy(update={"step": step})
    attempts = tuple(each.model_copy(update={"asked": each.asked or entry.step.prompt}) for each in entry.attempts)
    shown = next((each for each in attempts if each.number == entry.kept), None)
    changed = {"step": step, "attempts": attempts, "asked": None}
    return entry.model_copy(update=changed | {"reworded": shown is not None and shown.asked != step.prompt})
