"""What a caller may make of a finished document without drawing it again: other texts, another order, steps more or
fewer, other references. Each wish, checked against the document, becomes events.

Pure functions, as in `edits`, which has what is drawn again. Nothing recorded is changed: indexes stay, and what is
taken out can be put back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from interleavethinker.document import Document
from interleavethinker.errors import BadRequest, Conflict
from interleavethinker.events import Arranged, Event, Pinned, Recorded, StepEdited, StepInserted, StepReopened
from interleavethinker.types import Budget, ImageRef, Step
from services.orchestrator.edits import Later, in_style, redrawn_after, step_of, whole

MOST_STEPS = 100
"""Of a document, the inserted ones too: as many as may be planned."""


def reword(document: Document, number: int, texts: dict[str, Any]) -> list[Event]:
    """Other texts for a step, by field; no event where they are what they were. Raises NotFound."""
    before = step_of(document, number).step
    step = Step.model_validate(before.model_dump() | texts)
    return [] if step == before else [StepEdited(step=step)]


def insert(
    document: Document,
    recorded: Sequence[Recorded],
    step: Step,
    *,
    after: int,
    seed: int | None = None,
    max_attempts: int | None = None,
    budget: Budget | None = None,
    references: Sequence[ImageRef] | None = None,
    later: Later = "stale",
) -> list[Event]:
    """A new step after the one with that index, 0: before all. With a prompt it is drawn, and with `later="redraw"` the
    steps after it are drawn again. Its own index is given here. Raises NotFound, Conflict."""
    if not whole(recorded):
        raise Conflict("the plan is not whole, so a step's number might be the planner's; resume the run first")
    if after:
        step_of(document, after)
    if len(document.steps) >= MOST_STEPS:
        raise Conflict(f"the document has {MOST_STEPS} steps, as many as may be; delete one first")
    index = 1 + max(entry.step.index for entry in (*document.steps, *document.deleted))
    prompt = step.prompt and in_style(document, step.prompt)
    inserted = StepInserted(step=step.model_copy(update={"index": index, "prompt": prompt}), after=after)
    if not step.prompt:
        return [inserted]
    pinned = None if references is None else tuple(references)
    drawn = StepReopened(step=index, seed=seed, max_attempts=max_attempts, budget=budget, references=pinned)
    return [inserted, drawn, *redrawn_after(document, after, later)]


def delete(document: Document, number: int) -> list[Event]:
    """The document without the step. Raises NotFound, and Conflict for the only one."""
    step_of(document, number)
    left = tuple(entry.step.index for entry in document.steps if entry.step.index != number)
    if not left:
        raise Conflict(f"step {number} is the only one; a document has one at least")
    return [Arranged(order=left)]


def arrange(document: Document, order: Sequence[int]) -> list[Event]:
    """The steps in another order; deleted ones that are named are put back. Raises BadRequest."""
    shown = [entry.step.index for entry in document.steps]
    known = {*shown, *(entry.step.index for entry in document.deleted)}
    if unknown := sorted(set(order) - known):
        raise BadRequest(
            f"steps: run {document.run_id} has no step {_listed(unknown)}; it has {_listed(sorted(known))}"
        )
    if twice := sorted(index for index, times in Counter(order).items() if times > 1):
        raise BadRequest(f"steps: name each step once; {_listed(twice)} came more than once")
    if missing := [index for index in shown if index not in order]:
        raise BadRequest(f"steps: {_listed(missing)} is missing; name every step, or delete it first")
    return [] if list(order) == shown else [Arranged(order=tuple(order))]


def pin(document: Document, references: Sequence[ImageRef]) -> list[Event]:
    """Other references for every drawing from here on."""
    return [] if tuple(references) == document.request.references else [Pinned(references=tuple(references))]


def _listed(indexes: Sequence[int]) -> str:
    return ", ".join(map(str, indexes))
