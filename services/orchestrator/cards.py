"""What the list shows of a run, kept on its row: written in the transaction of the events that change it, so that
listing and searching read no event.

A card is made of the few kinds of events that it depends on (`SHOWS`), and of nothing but the journal. Deliberately not
here: the document (`document`), and the search itself (`journal`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from interleavethinker.arrangement import Arrangement
from interleavethinker.events import (
    EVENT,
    Arranged,
    AttemptKept,
    Drawn,
    Event,
    PlanEdited,
    StepEdited,
    StepFinished,
    StepInserted,
    StepPlanned,
)
from interleavethinker.types import IMAGE_MARKER, InterleaveRequest
from services.orchestrator.tables import EVENTS, RUNS

CHANGES = (StepPlanned, PlanEdited, StepEdited, StepInserted, Arranged, StepFinished, AttemptKept)
SHOWS = [kind.model_fields["type"].default for kind in (*CHANGES, Drawn)]
LONGEST_TITLE = 160


class Card(NamedTuple):
    """`words`: what is searched, casefolded: the prompt and the steps' names. `cover`: digest of the last finished
    step's picture. `steps`: how many are shown."""

    title: str
    words: str
    steps: int = 0
    cover: str | None = None


def card_of(request: InterleaveRequest, events: Iterable[Event] = ()) -> Card:
    """The card after these events; those of other kinds than `SHOWS` change nothing."""
    arrangement, pictures, kept = Arrangement(), dict[tuple[int, int], str](), dict[int, int | None]()
    for event in events:
        arrangement.hear(event)
        match event:
            case Drawn(step=step, number=number, drawing=drawing):
                pictures[step, number] = drawing.image.digest
            case StepFinished(step=step, kept=number) | AttemptKept(step=step, number=number):
                kept[step] = number
    shown = [pictures.get((step.index, kept.get(step.index) or 0)) for step in arrangement.shown]
    said = request.brief.prompt.replace(IMAGE_MARKER, " ")
    texts = (said, *(step.name for step in arrangement.shown if step.name))
    words = "\n".join(" ".join(text.split()) for text in texts)
    cover = next((digest for digest in reversed(shown) if digest), None)
    return Card(_title(said), words.casefold(), len(arrangement.order), cover)


async def renew(db: AsyncConnection, run_id: str, events: Iterable[Event]) -> None:
    """Bring the run's card up to date after these events, where they change it."""
    if not any(isinstance(event, CHANGES) for event in events):
        return
    said = (await db.execute(select(RUNS.c.request).where(RUNS.c.id == run_id))).scalar_one()
    query = select(EVENTS.c.body).where(EVENTS.c.run_id == run_id, EVENTS.c.type.in_(SHOWS)).order_by(EVENTS.c.seq)
    told = [EVENT.validate_json(body) for body in (await db.execute(query)).scalars()]
    card = card_of(InterleaveRequest.model_validate_json(said), told)
    await db.execute(update(RUNS).where(RUNS.c.id == run_id).values(card._asdict()))


def _title(prompt: str) -> str:
    """The prompt in one line."""
    words = " ".join(prompt.split())
    return words if len(words) <= LONGEST_TITLE else words[: LONGEST_TITLE - 1].rsplit(" ", 1)[0] + "…"
