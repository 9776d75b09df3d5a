"""What the list shows of a run, kept on its row: written in the transaction of the events that change it, so that
listing and searching read no event.

A card is made of the few kinds of events that it depends on (`SHOWS`), and of nothing but the journal. Deliberately not
here: the document (`document`), and the search itself (`journal`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

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


class Making:
    """A card in the making: events are heard one after the other."""

    def __init__(self, request: InterleaveRequest) -> None:
        self._said = request.brief.prompt.replace(IMAGE_MARKER, " ")
        self._arrangement = Arrangement()
        self._pictures: dict[tuple[int, int], str] = {}
        self._kept: dict[int, int | None] = {}

    def hear(self, event: Event) -> None:
        """Those of other kinds than `SHOWS` change nothing."""
        self._arrangement.hear(event)
        match event:
            case Drawn(step=step, number=number, drawing=drawing):
                self._pictures[step, number] = drawing.image.digest
            case StepFinished(step=step, kept=number) | AttemptKept(step=step, number=number):
                self._kept[step] = number

    @property
    def card(self) -> Card:
        steps = self._arrangement.shown
        shown = [self._pictures.get((step.index, self._kept.get(step.index) or 0)) for step in steps]
        texts = (self._said, *(step.name for step in steps if step.name))
        words = "\n".join(" ".join(text.split()) for text in texts)
        cover = next((digest for digest in reversed(shown) if digest), None)
        return Card(_title(self._said), words.casefold(), len(self._arrangement.order), cover)


def card_of(request: InterleaveRequest, events: Iterable[Event] = ()) -> Card:
    """The card after these events."""
    making = Making(request)
    for event in events:
        making.hear(event)
    return making.card


class Deck:
    """The cards of the runs that this process appends to, as far as it has heard their events: so that a card is not
    read up from the journal for each event that changes it. `last`: the number of the last event heard."""

    def __init__(self, most: int = 1000) -> None:
        self._most, self._held = most, OrderedDict[str, tuple[int, Making]]()

    async def drawn(self, engine: AsyncEngine, run_id: str) -> tuple[int, Making] | None:
        """(last, card in the making) of a run, read from the journal where it is not held; None for an unknown one."""
        if found := self._held.get(run_id):
            return found
        async with engine.connect() as db:
            query = select(RUNS.c.request, RUNS.c.last_seq).where(RUNS.c.id == run_id)
            if (row := (await db.execute(query)).one_or_none()) is None:
                return None
            told = select(EVENTS.c.body).where(
                EVENTS.c.run_id == run_id, EVENTS.c.type.in_(SHOWS), EVENTS.c.seq <= row.last_seq
            )
            bodies = (await db.execute(told.order_by(EVENTS.c.seq))).scalars()
            making = Making(InterleaveRequest.model_validate_json(row.request))
            for body in bodies:
                making.hear(EVENT.validate_json(body))
        return row.last_seq, making

    def hold(self, run_id: str, last: int, making: Making) -> None:
        self._held[run_id] = last, making
        self._held.move_to_end(run_id)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def hear(self, run_id: str, seq: int, event: Event) -> None:
        """An event was committed: hear it where it follows on what was heard, else forget the run."""
        if found := self._held.get(run_id):
            if found[0] == seq - 1:
                found[1].hear(event)
                self.hold(run_id, seq, found[1])
            else:
                self.drop(run_id)

    def drop(self, run_id: str) -> None:
        self._held.pop(run_id, None)


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
