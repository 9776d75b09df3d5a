"""What a caller may still wish of a run that has been made: each wish, checked against the document, becomes events.

Pure functions. Whether the run takes these events in the state that it is in by then is the journal's to decide, in the
transaction that writes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from pydantic import ValidationError

from interleavethinker.arrangement import Arrangement
from interleavethinker.codec import styled
from interleavethinker.document import Document, DocumentStep
from interleavethinker.errors import BadRequest, Conflict, NotFound
from interleavethinker.events import (
    AttemptKept,
    Branched,
    Created,
    Drawn,
    Event,
    Judged,
    Pinned,
    PlanEdited,
    Planned,
    Recorded,
    Screened,
    StepEdited,
    StepFinished,
    StepPlanned,
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
    references: Sequence[ImageRef] | None = None,
    later: Later = "stale",
) -> list[Event]:
    """A step drawn again, and with `later="redraw"` also every drawn step after it, each from its own prompt.

    Raises NotFound for an unknown step, Conflict for one with nothing to draw.
    """
    entry = step_of(document, number)
    if not (prompt or entry.wanted):
        raise Conflict(f"step {number} is in words only; give a `prompt` to have it drawn")
    wished = {"prompt": prompt, "seed": seed, "max_attempts": max_attempts, "budget": budget}
    pinned = None if references is None else tuple(references)
    reopened = StepReopened(step=number, **wished, references=pinned)
    return [reopened, *redrawn_after(document, number, later)]


def redrawn_after(document: Document, number: int, later: Later) -> list[Event]:
    """The steps after this one (0: all), as they are shown, drawn again where that is wished."""
    numbers = [entry.step.index for entry in document.steps]
    following = document.steps[numbers.index(number) + 1 if number else 0 :]
    return [StepReopened(step=entry.step.index) for entry in following if entry.wanted] if later == "redraw" else []


def first_references(recorded: Sequence[Recorded]) -> tuple[ImageRef, ...]:
    """The references that the run was asked for with."""
    first = recorded[0].event
    return first.request.references if isinstance(first, Created) else ()


def in_style(document: Document, prompt: str) -> str:
    """A caller's drawing prompt with the request's style, where the planner's pack has that in its prompts too."""
    style = document.request.brief.style
    said = styled("", style).strip()
    planned = [entry.step.prompt for entry in (*document.steps, *document.deleted) if entry.step.prompt]
    return styled(prompt, style) if any(said in each for each in planned) else prompt


def has_budget(budget: Budget, draws: int) -> None:
    """Raises Conflict when there is no drawing left to be had."""
    if limit := limit_reached(budget, draws, 0.0):
        raise Conflict(f"{limit}; give a higher `budget`, which counts the drawings so far")


def keep(document: Document, number: int, attempt: int) -> AttemptKept:
    """Another attempt at a finished step put in its place. Raises NotFound, Conflict."""
    entry = step_of(document, number)
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
    place of the plan from there on. Where steps were moved, the new run numbers them anew as they are shown. Raises
    NotFound for a step that is not in the document, Conflict, BadRequest."""
    begins = step_of(document, from_step).number
    if not whole(recorded):
        raise Conflict("the plan is not whole; branch when its last step has been planned, or ask for a new document")
    before = [entry for entry in document.steps if entry.number < begins]
    if unfinished := [str(entry.step.index) for entry in before if not entry.finished or entry.reopened]:
        raise Conflict(f"steps {', '.join(unfinished)} before step {from_step} are not finished, so cannot be shared")
    events = [each.event for each in recorded]
    numbers = {entry.step.index: entry.number for entry in document.steps}
    ours = {entry.step.index for entry in before}
    jobs = {event.job.id for event in events if isinstance(event, Drawn) and event.step in ours}
    shared = [_renumbered(event, numbers) for event in events if _belongs(event, ours, jobs)]
    branched = Branched(run_id=document.run_id, from_step=begins)
    if steps is None:
        return [*_planning(document, events, ours), *shared, branched]
    now = [entry.step.model_copy(update={"index": entry.number}) for entry in before]
    plan = _plan([*now, *steps], document.reasoning)
    return [*_planning(document, events, ours), *shared, PlanEdited(plan=plan), branched]


def continued(document: Document, prompt: str, more: Sequence[ImageRef] = ()) -> InterleaveRequest:
    """The request for what comes after this document: all its pictures are the new brief's, its texts stand with them,
    so that the planner goes on with the numbers. `more` are the pictures of the prompt's markers; without them, it has
    none. Raises Conflict when there is nothing, or too much, to go on from."""
    shown = [entry for entry in document.steps if entry.image]
    if not shown:
        raise Conflict(f"run {document.run_id} has no picture to go on from")
    told = "\n".join(
        f"Step {entry.number}: {(entry.step.text or entry.step.name).replace(IMAGE_MARKER, ' ')}\n{IMAGE_MARKER}"
        for entry in shown
    )
    given = document.request.brief
    images = (*given.images, *(entry.image for entry in shown if entry.image))
    unmarked = IMAGE_MARKER * (len(given.images) - given.prompt.count(IMAGE_MARKER))
    following = prompt if more else prompt.replace(IMAGE_MARKER, " ")
    text = f"{unmarked}{given.prompt}\n{told}\n{following}"
    try:
        brief = given.model_copy(update={"prompt": text, "images": (*images, *more)})
        brief = Brief.model_validate(brief.model_dump())
    except ValidationError as error:
        raise Conflict(f"the document with this prompt is too long to go on from: {_words(error)}") from error
    return document.request.model_copy(update={"brief": brief})


def _planning(document: Document, events: Sequence[Event], ours: Collection[int]) -> list[StepPlanned | Planned]:
    """The plan as a branch begins with it: what is shared as it was first drawn from, the rest as it is by now."""
    drawn_from = Arrangement.of(event for event in events if not isinstance(event, StepEdited)).steps
    steps = [
        (drawn_from[each.step.index] if each.step.index in ours else each.step).model_copy(
            update={"index": each.number}
        )
        for each in document.steps
    ]
    planned = next(event for event in reversed(planning_of(events)) if isinstance(event, Planned))
    if list(planned.plan.steps) != steps:
        planned = planned.model_copy(update={"plan": _plan(steps, planned.plan.reasoning)})
    return [*(StepPlanned(step=step) for step in steps), planned]


def _renumbered(event: Event, numbers: Mapping[int, int]) -> Event:
    match event:
        case Drawn() | Judged() | StepFinished() | StepReopened() | AttemptKept():
            return event.model_copy(update={"step": numbers[event.step]})
        case StepEdited(step=step):
            return StepEdited(step=step.model_copy(update={"index": numbers[step.index]}))
    return event


def _belongs(event: Event, ours: Collection[int], jobs: Collection[str]) -> bool:
    """Whether a branch that shares these steps shares the event; `jobs` are the drawings that it shares."""
    match event:
        case Drawn() | Judged() | StepFinished() | StepReopened() | AttemptKept():
            return event.step in ours
        case StepEdited(step=step):
            return step.index in ours
        case Pinned():
            return True
        case Screened(screening=screening):
            return screening.job_id is None or screening.job_id in jobs
    return False


def step_of(document: Document, number: int) -> DocumentStep:
    """The step with this index. Raises NotFound."""
    found = next((entry for entry in document.steps if entry.step.index == number), None)
    if found is None:
        gone = any(entry.step.index == number for entry in document.deleted)
        raise NotFound(
            f"step {number} of run {document.run_id} is deleted; put it back by its order"
            if gone
            else f"run {document.run_id} has no step {number}"
        )
    return found


def whole(recorded: Sequence[Recorded]) -> bool:
    """Whether the plan is."""
    return any(isinstance(each.event, Planned | PlanEdited) for each in recorded)


def _plan(steps: Sequence[Step], reasoning: str) -> Plan:
    try:
        return Plan(steps=tuple(steps), reasoning=reasoning)
    except ValidationError as error:
        raise BadRequest(f"steps: {_words(error)}") from error


def _words(error: ValidationError) -> str:
    return "; ".join(found["msg"] for found in error.errors())
