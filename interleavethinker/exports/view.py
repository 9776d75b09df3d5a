"""A document as a reader meets it: words for every outcome, and the pictures' places, for the page and the Markdown.

Deliberately not here: any markup, and any escaping; the templates do both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from interleavethinker.document import Document, DocumentAttempt, DocumentStep
from interleavethinker.events import Status
from interleavethinker.exports.words import Fault, Piece, changes, faults, sureness
from interleavethinker.types import IMAGE_MARKER, ImageRef, Outcome

Mark = Literal["accepted", "redrawn", "refused", "unjudged"]
_LONGEST_TITLE = 160


@dataclass(frozen=True)
class AttemptView:
    """One attempt. `found` is None where the critic's reasoning is no list of places, and is itself to be read."""

    number: int
    image: ImageRef
    kept: bool
    mark: Mark
    verdict: str
    sure: str
    seed: int
    seconds: float
    prompt: tuple[Piece, ...]
    found: tuple[Fault, ...] | None
    reasoning: str


@dataclass(frozen=True)
class StepView:
    """One step. `image` is the picture that stands; `note` says in a few words how it came about, `warning` what a
    reader must know of it (or nothing).

    `number` counts what is read; `key` is the step's own index, which stays when steps are put in another order. `text`
    is what a reader of one text sees; `instruction` and `auxiliary` are apart, the instruction empty where it says the
    same.
    """

    number: int
    key: int
    name: str
    text: str
    instruction: str
    auxiliary: str
    image: ImageRef | None
    alt: str
    mark: Mark
    note: str
    warning: str
    attempts: tuple[AttemptView, ...]


def title(document: Document) -> str:
    """The request in one line."""
    words = " ".join(document.request.brief.prompt.replace(IMAGE_MARKER, " ").split())
    return words if len(words) <= _LONGEST_TITLE else words[: _LONGEST_TITLE - 1].rsplit(" ", 1)[0] + "…"


def trouble(document: Document) -> str:
    """Why the document is not whole, in a sentence; empty when it is."""
    said = {
        Status.QUEUED: "This document has not been begun yet.",
        Status.PROCESSING: "This document is still being made.",
        Status.WAITING: "This document's plan waits for approval.",
        Status.PARTIAL: "This document was cut short; what was finished stands.",
        Status.FAILED: "This document could not be made.",
        Status.CANCELED: "This document was canceled; what was finished stands.",
    }.get(document.status, "")
    return f"{said} Why: {document.problem.detail}" if said and document.problem else said


def steps(document: Document) -> list[StepView]:
    if not document.steps:
        return []
    numbers = [entry.number for entry in document.steps]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):  # no fold's document
        numbers = list(range(1, len(numbers) + 1))
    return [_step(entry, number) for entry, number in zip(document.steps, numbers, strict=True)]


def _step(entry: DocumentStep, number: int) -> StepView:
    attempts = tuple(_attempt(entry, place) for place in range(len(entry.attempts)))
    kept = next((attempt for attempt in attempts if attempt.kept), None)
    name = entry.step.name.strip() or f"Step {number}"
    instruction, auxiliary = (entry.step.instruction or "").strip(), (entry.step.auxiliary_text or "").strip()
    note = _note(entry, kept)
    return StepView(
        number=number,
        key=entry.step.index,
        name=name[0].upper() + name[1:],
        text=entry.step.text,
        instruction="" if instruction == auxiliary else instruction,
        auxiliary=auxiliary,
        image=entry.image,
        alt=f"{name}: {entry.attempt.prompt}" if entry.attempt else "",
        mark=kept.mark if kept else "unjudged",
        note=note,
        warning=note if kept is None or kept.mark == "refused" else "",
        attempts=attempts,
    )


def _note(entry: DocumentStep, kept: AttemptView | None) -> str:
    count = len(entry.attempts)
    if kept is None:
        return "" if entry.finished else "not finished"
    drawn = "drawn once" if count == 1 else f"drawn {count} times"
    if kept.mark == "refused" and count > 1:
        return f"{drawn}, never accepted; number {kept.number} is the best"
    return ", ".join(part for part in (drawn, kept.verdict, kept.sure) if part)


def _attempt(entry: DocumentStep, place: int) -> AttemptView:
    attempt = entry.attempts[place]
    before = entry.attempts[place - 1].prompt if place else attempt.prompt
    reasoning = attempt.verdict.reasoning if attempt.verdict else ""
    found = faults(reasoning)
    mark, verdict = _verdict(entry, attempt, last=place == len(entry.attempts) - 1)
    return AttemptView(
        number=attempt.number,
        image=attempt.image,
        kept=attempt.number == entry.kept,
        mark=mark,
        verdict=verdict,
        sure=sureness(attempt.verdict.confidence) if attempt.verdict else "",
        seed=attempt.seed,
        seconds=attempt.draw_seconds,
        prompt=tuple(changes(before, attempt.prompt)),
        found=None if found is None else tuple(found),
        reasoning=reasoning,
    )


def _verdict(entry: DocumentStep, attempt: DocumentAttempt, *, last: bool) -> tuple[Mark, str]:
    """The attempt's mark, and the same in words. An accept that a strict request found too unsure was drawn again."""
    if attempt.verdict is None:
        return "unjudged", "not judged"
    if attempt.verdict.outcome is Outcome.ABSTAIN:
        return "unjudged", "the critic had no verdict"
    kept = attempt.number == entry.kept
    if kept and entry.accepted:
        return "accepted", "accepted"
    unsure = attempt.verdict.outcome is Outcome.ACCEPT and entry.finished
    if last and not entry.finished:
        return ("accepted", "accepted") if attempt.verdict.outcome is Outcome.ACCEPT else ("redrawn", "to be redrawn")
    if last or kept:
        return "refused", "accepted, but not surely enough" if unsure else "not accepted"
    return "redrawn", "redrawn: accepted, but not surely enough" if unsure else "redrawn"
