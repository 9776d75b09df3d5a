"""What a caller may still wish of a run that has been made: each wish, checked against the document, becomes events.

Pure functions. Whether the run takes these events in the state that it is in by then is the journal's to decide, in the
transaction that writes them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from pydantic import ValidationError

from interleavethinker.document import Document, DocumentStep
from interleavethinker.errors import BadRequest, Conflict, NotFound
from interleavethinker.events import (
    AttemptKept,
    Branched,
    Drawn,
    Event,
    Judged,
    PlanEdited,
    Recorded,
    Screened,
    StepFinished,
    StepReopened,
)
from interleavethinker.types import IMAGE_MARKER, Brief, Budget, ImageRef, InterleaveRequest, Plan, Step
from services.orchestrator.rounds import planning_of
from services.orchestrator.rules import limit_reached, stands

Later = Literal["stale", "redraw"]


def redraw(
    document: Document,
    number: int,
    *,
    prompt: str | None = None,
    seed: int | None = None,
    max_attempts: int | None = None,
    budget: Budget | None = None,
    later: Later = "stale",
) -> list[Event]:
    """A step drawn again, and with `later="redraw"` also every drawn step after it, each from its own prompt.

    Raises NotFound for an unknown step, Conflict for one with nothing to draw.
    """
    entry = _step(document, number)
    if not (prompt or entry.asked or entry.step.prompt):
        raise Conflict(f"step {number} is in words only; give a `prompt` to have it drawn")
    reopened = StepReopened(step=number, prompt=prompt, seed=seed, max_attempts=max_attempts, budget=budget)
    following = [entry for entry in document.steps if entry.step.index > number and (entry.asked or entry.step.prompt)]
    rest = [StepReopened(step=entry.step.index) for entry in following] if later == "redraw" else []
    return [reopened, *rest]


def has_budget(budget: Budget, draws: int) -> None:
    """Raises Conflict when there is no drawing left to be had."""
    if limit := limit_reached(budget, draws, 0.0):
        raise Conflict(f"{limit}; give a higher `budget`, which counts the drawings so far")


def keep(document: Document, number: int, attempt: int) -> AttemptKept:
    """Another attempt at a finished step put in its place. Raises NotFound, Conflict."""
    entry = _step(document, number)
    if not entry.finished:
        raise Conflict(f"step {number} is not finished, so none of its attempts stands yet")
    found = next((each for each in entry.attempts if each.number == attempt), None)
    if found is None:
        raise NotFound(f"step {number} has no attempt {attempt}; it has {len(entry.attempts)}")
    accepted = stands(found.verdict, document.request.critic) if found.verdict else None
    return AttemptKept(step=number, number=attempt, accepted=accepted)


def edit_plan(document: Document, steps: Sequence[Step]) -> PlanEdited:
    """The caller's steps in place of the planner's. Raises BadRequest."""
    if len(steps) > document.request.max_steps:
        raise BadRequest(f"steps: at most max_steps = {document.request.max_steps}, got {len(steps)}")
    return PlanEdited(plan=_plan(steps, document.reasoning))


def branch(
    document: Document, recorded: Sequence[Recorded], from_step: int, steps: Sequence[Step] | None = None
) -> list[Event]:
    """The events, after its `Created`, of a new run that shares this one's steps before `from_step`; `steps` stand in
    place of the plan from there on. Raises NotFound for a step that is not in the plan, Conflict, BadRequest."""
    _step(document, from_step)
    planned = [entry.step for entry in document.steps]
    if len(_whole(recorded)) != len(planned):
        raise Conflict("the plan is not whole; branch when its last step has been planned, or ask for a new document")
    before = [entry for entry in document.steps if entry.step.index < from_step]
    if unfinished := [str(entry.step.index) for entry in before if not entry.finished or entry.reopened]:
        raise Conflict(f"steps {', '.join(unfinished)} before step {from_step} are not finished, so cannot be shared")
    events = [each.event for each in recorded]
    jobs = {event.job.id for event in events if isinstance(event, Drawn) and event.step < from_step}
    shared = [event for event in events if _belongs(event, from_step, jobs)]
    begun: list[Event] = [*planning_of(events), *shared, Branched(run_id=document.run_id, from_step=from_step)]
    if steps is None:
        return begun
    plan = _plan([*(step for step in planned if step.index < from_step), *steps], document.reasoning)
    return [*begun[:-1], PlanEdited(plan=plan), begun[-1]]


def continued(document: Document, prompt: str, more: Sequence[ImageRef] = ()) -> InterleaveRequest:
    """The request for what comes after this document: all its pictures are the new brief's, its texts stand with them,
    so that the planner goes on with the numbers. `more` are the pictures of the prompt's markers; without them, it has
    none. Raises Conflict when there is nothing, or too much, to go on from."""
    shown = [entry for entry in document.steps if entry.image]
    if not shown:
        raise Conflict(f"run {document.run_id} has no picture to go on from")
    told = "\n".join(
        f"Step {entry.step.index}: {(entry.step.text or entry.step.name).replace(IMAGE_MARKER, ' ')}\n{IMAGE_MARKER}"
        for entry in shown
    )
    given = document.request.brief
    images = (*given.images, *(entry.image for entry in shown if entry.image))
    unmarked = IMAGE_MARKER * (len(given.images) - given.prompt.count(IMAGE_MARKER))
    following = prompt if more else prompt.replace(IMAGE_MARKER, " ")
    text = f"{unmarked}{given.prompt}\n{told}\n{following}"
    try:
        brief = Brief(prompt=text, images=(*images, *more))
    except ValidationError as error:
        raise Conflict(f"the document with this prompt is too long to go on from: {_words(error)}") from error
    return document.request.model_copy(update={"brief": brief})


def _belongs(event: Event, from_step: int, jobs: Collection[str]) -> bool:
    """Whether a branch from there shares the event; `jobs` are the drawings that it shares."""
    match event:
        case Drawn() | Judged() | StepFinished() | StepReopened() | AttemptKept():
            return event.step < from_step
        case Screened(screening=screening):
            return screening.job_id is None or screening.job_id in jobs
    return False


def _step(document: Document, number: int) -> DocumentStep:
    found = next((entry for entry in document.steps if entry.step.index == number), None)
    if found is None:
        raise NotFound(f"run {document.run_id} has no step {number}")
    return found


def _whole(recorded: Sequence[Recorded]) -> Sequence[Step]:
    """The steps of the plan that holds, where it is whole."""
    planned = [event.plan for event in planning_of([each.event for each in recorded]) if event.type == "planned"]
    return planned[-1].steps if planned else ()


def _plan(steps: Sequence[Step], reasoning: str) -> Plan:
    try:
        return Plan(steps=tuple(steps), reasoning=reasoning)
    except ValidationError as error:
        raise BadRequest(f"steps: {_words(error)}") from error


def _words(error: ValidationError) -> str:
    return "; ".join(found["msg"] for found in error.errors())
