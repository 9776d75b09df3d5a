"""A run's events as the events of a response stream, one item after the other, in OpenAI's order.

They follow from the journal's events alone, so every reader is told the same under the same `sequence_number`, and one
that was cut off goes on with `starting_after`. A picture is shown while it is worked on (`partial_image`): a live
reader sees the drawing under way, every reader the attempts. These have numbers kept for them, so what one reader
missed moves no other number. The words of a step are said when the pictures before it are settled. The stream ends
with the run's first end; what its caller wishes after that is in the response as it is read. Deliberately not here: the
items themselves (`telling`).
"""

from __future__ import annotations

import base64
from typing import Any

from interleavethinker.document import DocumentStep, fold
from interleavethinker.errors import InterleaveError
from interleavethinker.events import (
    Created,
    Drawn,
    Finished,
    PlanApproved,
    PlanEdited,
    Planned,
    Recorded,
    Started,
    StepFinished,
    StepPlanned,
)
from interleavethinker.ports import Previews
from services.orchestrator.board import Showing
from services.orchestrator.doors.responses.noted import Noted
from services.orchestrator.doors.responses.pictures import Pictures
from services.orchestrator.doors.responses.shapes import CallItem, MessageItem
from services.orchestrator.doors.responses.telling import call, draws, head, message, response

_LAST = {"completed": "response.completed", "failed": "response.failed"}
"""Of a canceled run too the last event is `response.incomplete`; the response says that it was cancelled."""
_MOVES = Started | StepPlanned | Planned | PlanEdited | PlanApproved | StepFinished


class Telling:
    """Tells one run. `tell` takes its events from the first one on, each once; `over` after its end."""

    def __init__(self, first: Recorded, pictures: Pictures, base_url: str) -> None:
        self._noted = Noted.read(first)
        self._pictures, self._base_url = pictures, base_url
        self._partials = self._noted.tool.partial_images or 0
        self._past: list[Recorded] = []
        self._number = 0
        self._index = 0
        self._place = 0
        self._said = False
        self._open: CallItem | None = None
        self._shown = 0
        self._kept = 0
        self._preview = b""
        self._begun = False
        self.over = False

    async def tell(self, recorded: Recorded) -> list[dict[str, Any]]:
        """What is said of this event, in order."""
        if self.over:
            return []
        self._past.append(recorded)
        event = recorded.event
        told: list[dict[str, Any]] = []
        match event:
            case Created():
                told = self._created()
            case Started() if not self._begun:
                self._begun = True
                told = [self._whole("response.in_progress")] if self._noted.background else []
            case Drawn(step=step, drawing=drawing) if self._open and step == self._open.interleave.step:
                if self._shown < self._partials:
                    told = [self._partial(await self._pictures.base64(drawing.image), self._pictures.format)]
        ended = isinstance(event, Finished)
        if ended or (isinstance(event, _MOVES) and self._begun and self._may_be_shown()):
            told += await self._advance()
        return told + await self._end() if ended else told

    async def show(self, showing: Showing, previews: Previews | None) -> list[dict[str, Any]]:
        """What is said of a drawing under way: a small preview, when it has come as much further as there are pictures
        to show. The last of them is left for an attempt."""
        due = self._partials > self._shown + 1 and showing.done * self._partials >= showing.of * (self._shown + 1)
        if not (due and showing.previews and previews and self._open and self._open.interleave.step == showing.step):
            return []
        try:
            picture = await previews.preview(showing.job_id)
        except InterleaveError:
            return []  # what cannot be had now is not worth an end
        if picture is None or picture == self._preview:
            return []
        self._preview = picture
        return [self._partial(base64.b64encode(picture).decode(), "jpeg")]

    def _created(self) -> list[dict[str, Any]]:
        if self._noted.background:
            return [self._whole("response.created"), self._whole("response.queued")]
        # Whoever waits for it sees no queue, as over there.
        working = {"status": "in_progress"}
        return [self._whole("response.created", **working), self._whole("response.in_progress", **working)]

    def _may_be_shown(self) -> bool:
        """A plan that waits for its caller's word may still become another."""
        asked = fold(self._past[:1]).request.review_plan
        return not asked or any(isinstance(each.event, PlanApproved) for each in self._past)

    async def _advance(self) -> list[dict[str, Any]]:
        document = fold(self._past)
        told: list[dict[str, Any]] = []
        while self._place < len(document.steps):
            entry = document.steps[self._place]
            if not self._said:
                self._said = True
                told += self._say(message(entry, document.run_id))
                if draws(entry):
                    told += self._begin(await call(_blank(entry), document, self._pictures))
            if not entry.finished:
                break
            if self._open:
                told += self._settle(await call(entry, document, self._pictures))
            self._place, self._said = self._place + 1, False
        return told

    async def _end(self) -> list[dict[str, Any]]:
        self.over = True
        document = fold(self._past)
        told: list[dict[str, Any]] = []
        if self._open:
            told = self._settle(await call(document.steps[self._place], document, self._pictures))
        view = await response(self._past, self._pictures, self._base_url)
        last = _LAST.get(view.status, "response.incomplete")
        return [*told, self._event(last, response=view.model_dump(mode="json"))]

    def _say(self, item: MessageItem) -> list[dict[str, Any]]:
        (part,) = item.content
        where = {"item_id": item.id, "output_index": self._index, "content_index": 0}
        blank = part.model_copy(update={"text": ""}).model_dump(mode="json")
        begun = item.model_copy(update={"status": "in_progress", "content": []})
        told = [
            self._item("response.output_item.added", begun),
            self._event("response.content_part.added", **where, part=blank),
            self._event("response.output_text.delta", **where, delta=part.text, logprobs=[]),
            self._event("response.output_text.done", **where, text=part.text, logprobs=[]),
            self._event("response.content_part.done", **where, part=part.model_dump(mode="json")),
            self._item("response.output_item.done", item),
        ]
        self._index += 1
        return told

    def _begin(self, item: CallItem) -> list[dict[str, Any]]:
        self._open, self._shown = item, 0
        begun = item.model_copy(update={"status": "in_progress"})
        told = [
            self._item("response.output_item.added", begun),
            self._of_call("response.image_generation_call.in_progress"),
            self._of_call("response.image_generation_call.generating"),
        ]
        self._kept, self._number = self._number, self._number + self._partials
        return told

    def _partial(self, picture: str, format: str) -> dict[str, Any]:
        assert self._open, "a picture is begun"
        place, self._shown = self._shown, self._shown + 1
        return {
            "type": "response.image_generation_call.partial_image",
            "sequence_number": self._kept + place,
            "item_id": self._open.id,
            "output_index": self._index,
            "partial_image_index": place,
            "partial_image_b64": picture,
            "output_format": format,
            "background": self._open.background,
            "quality": self._open.quality,
        }

    def _settle(self, item: CallItem) -> list[dict[str, Any]]:
        done = [self._of_call("response.image_generation_call.completed")] if item.status == "completed" else []
        told = [*done, self._item("response.output_item.done", item)]
        self._open = None
        self._index += 1
        return told

    def _whole(self, kind: str, **other: Any) -> dict[str, Any]:
        """An event with the response, which has no items yet."""
        view = head(fold(self._past), self._noted, self._base_url)
        return self._event(kind, response=view.model_dump(mode="json") | other)

    def _item(self, kind: str, item: MessageItem | CallItem) -> dict[str, Any]:
        return self._event(kind, output_index=self._index, item=item.model_dump(mode="json"))

    def _of_call(self, kind: str, **more: Any) -> dict[str, Any]:
        assert self._open, "a picture is begun"
        return self._event(kind, item_id=self._open.id, output_index=self._index, **more)

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        number, self._number = self._number, self._number + 1
        return {"type": kind, "sequence_number": number, **fields}


def _blank(entry: DocumentStep) -> DocumentStep:
    """The step before anything was drawn of it."""
    return DocumentStep(step=entry.step, asked=entry.asked)
