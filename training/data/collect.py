"""Journals of real runs become examples: recorded attempts are split, balanced and written like synthesised ones.

Reads the journal's two tables as they are (services/orchestrator/tables.py says what they look like; nothing of it is
imported) and folds their events with the language's own `fold`. A person's judgement comes first where there is one:
what people said in the run itself (`said_in_run`), and above it the labels of a .jsonl beside (`Label`). Without a
judge the scores are derived from the verdicts, and the rows say so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from pydantic import Field, ValidationError, model_validator

from interleavethinker.document import Document, DocumentAttempt, DocumentStep, fold
from interleavethinker.errors import BadRequest, BadSettings, NotFound
from interleavethinker.events import (
    EVENT,
    Arranged,
    AttemptKept,
    Event,
    PlanEdited,
    Recorded,
    StepEdited,
    StepFinished,
    StepInserted,
    StepReopened,
)
from interleavethinker.ports import Blobs
from interleavethinker.types import Critique, ImageRef, Outcome, Plan, Value, Verdict
from training.data.interleaved import Told
from training.data.rows import json_lines
from training.data.values import AttemptRecord, PlannerExample
from training.judge import Judge, Scores

KNOWN = {kind.model_fields["type"].default for kind in get_args(get_args(Event)[0])}
"""Event types that are read; those of a newer journal are passed over and counted."""


class Label(Value):
    """A person's judgement of one attempt. `edited`: not right, and this is what should be drawn (`prompt`)."""

    run: str
    step: int = Field(ge=1)
    attempt: int = Field(ge=1)
    label: Literal["approved", "rejected", "edited"]
    prompt: str | None = None

    @model_validator(mode="after")
    def _edit_says_what(self) -> Label:
        if self.label == "edited" and not self.prompt:
            raise ValueError("an edited label needs the prompt that the person wrote")
        return self


Labels = Mapping[tuple[str, int, int], Label]
"""By run, step and attempt."""


class Past(NamedTuple):
    """A finished run: its document, what people said in it, and whether one of them wrote the plan anew."""

    document: Document
    labels: Labels = {}
    replanned: bool = False


def said_in_run(run: str, events: Iterable[Event]) -> dict[tuple[str, int, int], Label]:
    """What its caller said of the run's attempts, the last word counting: one that was chosen is approved; one that
    stood when its step was to be drawn again from other words is not right, and those words say what should be drawn.

    Drawing again from the same words says nothing: it may be for the picture before that changed.
    """
    kept: dict[int, int] = {}
    labels: dict[tuple[str, int, int], Label] = {}
    for event in events:
        match event:
            case StepFinished(step=step, kept=number) if number:
                kept[step] = number
            case AttemptKept(step=step, number=number):
                kept[step] = number
                labels[run, step, number] = Label(run=run, step=step, attempt=number, label="approved")
            case StepReopened(step=step, prompt=str(prompt)) if step in kept:
                number = kept[step]
                labels[run, step, number] = Label(run=run, step=step, attempt=number, label="edited", prompt=prompt)
    return labels


def read_labels(path: Path) -> dict[tuple[str, int, int], Label]:
    """A line an attempt: {"run", "step", "attempt", "label": approved | rejected | edited, "prompt"}; the last one
    counts. Raises BadRequest, naming the line."""
    found: dict[tuple[str, int, int], Label] = {}
    if not path.is_file():
        raise BadRequest(f"there is no file of labels {path}")
    for where, row in json_lines(path):
        try:
            label = Label.model_validate(row)
        except ValidationError as error:
            raise BadRequest(f"{where}: {error.errors()[0]['msg']}") from error
        found[label.run, label.step, label.attempt] = label
    return found


async def documents(url: str, skipped: Counter[str]) -> AsyncIterator[Past]:
    """The journal's finished runs, oldest first: sqlite:///path or postgresql://... Raises BadSettings, BadRequest."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(_driver(url))
    try:
        async with engine.connect() as db:
            runs = (await db.execute(text("SELECT id, status FROM runs ORDER BY number"))).all()
            query = text("SELECT seq, at, body FROM events WHERE run_id = :run ORDER BY seq")
            for run, status in runs:
                if status not in ("succeeded", "partial"):
                    skipped[f"runs that are {status}"] += 1
                    continue
                rows = (await db.execute(query, {"run": run})).all()
                recorded = [each for row in rows if (each := _recorded(run, row, skipped))]
                events = [each.event for each in recorded]
                replanned = any(
                    isinstance(event, PlanEdited | StepEdited | StepInserted | Arranged) for event in events
                )
                yield Past(fold(recorded), said_in_run(run, events), replanned)
    except SQLAlchemyError as error:
        raise BadSettings(f"the journal cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        await engine.dispose()


def _driver(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadSettings(f"journal {url!r}: write sqlite:///path/to/journal.db or postgresql://...") from error
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and Path(parsed.database).is_file():
            return f"sqlite+aiosqlite:///file:{Path(parsed.database).absolute()}?mode=ro&uri=true"
        case "sqlite":
            raise BadSettings(f"there is no journal {parsed.database!r}")
        case "postgresql":
            return parsed.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    raise BadSettings(f"journal {parsed.render_as_string()!r}: write sqlite:///path/to/journal.db or postgresql://...")


def _recorded(run: str, row: Any, skipped: Counter[str]) -> Recorded | None:
    seq, at, body = row
    try:
        kind = json.loads(body)["type"]
        if kind not in KNOWN:
            skipped[f"events of type {kind}"] += 1
            return None
        at = datetime.fromisoformat(at) if isinstance(at, str) else at
        return Recorded(run_id=run, seq=seq, at=at.replace(tzinfo=at.tzinfo or UTC), event=EVENT.validate_json(body))
    except (ValueError, KeyError, TypeError) as error:
        raise BadRequest(f"event {seq} of {run} cannot be read: {str(error).splitlines()[0]}") from error


@dataclass
class Collector:
    """Turns documents into rows. `judge` None: scores are derived from verdicts."""

    blobs: Blobs
    labels: Labels = field(default_factory=dict)
    judge: Judge | None = None
    skipped: Counter[str] = field(default_factory=Counter)
    used: set[tuple[str, int, int]] = field(default_factory=set)
    """The labels that met their attempt."""

    async def attempts(self, past: Past) -> list[AttemptRecord]:
        """Every attempt of which a person or the critic said something, those left out that a branch shares with the
        run it was branched from. Raises BadRequest for a missing picture."""
        records: list[AttemptRecord] = []
        origin = past.document.origin
        for entry in past.document.steps:
            for attempt in entry.attempts if not origin or entry.step.index >= origin.from_step else ():
                if found := await self._record(past, entry, attempt):
                    records.append(found)
        return records

    def _label(self, past: Past, step: int, attempt: int) -> Label | None:
        key = (past.document.run_id, step, attempt)
        if key in self.labels:
            self.used.add(key)
        return self.labels.get(key) or past.labels.get(key)

    async def _record(self, past: Past, entry: DocumentStep, attempt: DocumentAttempt) -> AttemptRecord | None:
        document, label = past.document, self._label(past, entry.step.index, attempt.number)
        verdict = truth(entry, attempt, label)
        if verdict is None:
            self.skipped["attempts without a judgement that says how to go on"] += 1
            return None
        before = attempt.canvas
        prompt = attempt.asked or entry.step.prompt or attempt.prompt
        critique = Critique(prompt=prompt, last_prompt=attempt.prompt, before=before, after=attempt.image)
        scores = await self.judge.score(critique) if self.judge else derived(verdict, sure=label is not None)
        if label:  # a person's word on what is right stands above any judge's
            scores = scores.model_copy(update={"success": verdict.outcome is Outcome.ACCEPT})
        source = f"journal:{'person' if label else 'critic'}{'' if self.judge else ', derived scores'}"
        pictures = [None if ref is None else await self._bytes(document, ref) for ref in (before, attempt.image)]
        return AttemptRecord(
            document.run_id, entry.step.index, attempt.number, prompt, attempt.prompt, pictures[0], pictures[1] or b"",
            attempt.seed, attempt.model or "unknown", scores, verdict, source,
        )  # fmt: skip

    async def planned(self, past: Past) -> tuple[PlannerExample, Told | None] | None:
        """The plan as an example, and the sequence where every step has a picture; None for a document of which not
        every step was accepted: nobody should learn a plan that failed. A plan that a person wrote anew has no
        thoughts: the planner's were about another one."""
        document, source = past.document, "journal:person" if past.replanned else "journal"
        steps = document.steps
        if not steps or not all(entry.finished and self._stands(past, entry) for entry in steps):
            self.skipped["documents whose plan was not drawn to the end"] += 1
            return None
        brief = document.request.brief
        if any(entry.stale for entry in steps) or brief.style or brief.characters:
            # A picture that does not follow from the one before, or a plan that obeys notes the example does not show.
            self.skipped["documents with stale pictures or with notes"] += 1
            return None
        reasoning = "" if past.replanned else document.reasoning
        shown = tuple(entry.step.model_copy(update={"index": entry.number}) for entry in steps)
        plan = Plan(steps=shown, reasoning=reasoning)
        given = tuple([await self._bytes(document, image) for image in brief.images])
        drawn = [entry.image for entry in steps if entry.image]
        task = "plan" if not given else "continue" if drawn else "describe"
        example = PlannerExample(brief.prompt, given, plan, task, source)
        if given or len(drawn) < len(steps):
            return example, None
        pictures = tuple([await self._bytes(document, image) for image in drawn])
        return example, Told(brief.prompt, plan, pictures, source)

    def _stands(self, past: Past, entry: DocumentStep) -> bool:
        label = self._label(past, entry.step.index, entry.kept or 0)
        if label:
            return label.label == "approved"
        return entry.accepted is True or (entry.kept is None and not entry.step.prompt)

    async def _bytes(self, document: Document, image: ImageRef) -> bytes:
        try:
            return await self.blobs.get(image.digest)
        except NotFound:
            raise BadRequest(
                f"the picture {image.digest} of {document.run_id} is not in --blobs: give its store"
            ) from None


def truth(entry: DocumentStep, attempt: DocumentAttempt, label: Label | None) -> Verdict | None:
    """The verdict to learn: the person's, else the critic's; None where there is none, or none that says how to go on.

    A person who rejects says no better prompt: it is the critic's, else that of the next attempt, if any.
    """
    verdict = attempt.verdict
    if label is None:
        return None if verdict is None or verdict.outcome is Outcome.ABSTAIN else verdict
    right = label.label == "approved"
    agrees = verdict is not None and verdict.outcome is (Outcome.ACCEPT if right else Outcome.REVISE)
    thoughts = verdict.reasoning if verdict and agrees and label.label != "edited" else ""
    if right:
        return Verdict(
            outcome=Outcome.ACCEPT, reasoning=thoughts or "A person looked at the picture and approved of it."
        )
    following = next((other.prompt for other in entry.attempts if other.number == attempt.number + 1), None)
    refined = label.prompt or (verdict.refined_prompt if verdict and agrees else None) or following
    if not refined or refined == attempt.prompt:
        return None
    thoughts = thoughts or "A person looked at the picture and rejected it."
    return Verdict(outcome=Outcome.REVISE, refined_prompt=refined, reasoning=thoughts)


def derived(verdict: Verdict, *, sure: bool) -> Scores:
    """Scores in a judge's absence: ten times the probability that the attempt is right, as far as the verdict tells."""
    right = verdict.outcome is Outcome.ACCEPT
    score = round(10 * (float(right) if sure else verdict.accept_probability), 2)
    return Scores(semantics=score, quality=score, success=right)
