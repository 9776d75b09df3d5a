"""What a response gives back of its request though the run itself has no use for it. It stands in the run's first
event, so it is written with the run, kept as long, and deleted with it."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue

from interleavethinker.document import Document
from interleavethinker.events import Created, Recorded
from services.orchestrator.doors.responses.asks import ResponseAsk
from services.orchestrator.doors.responses.tools import ImageTool


class Noted(BaseModel):
    """The defaults are those of a run that came through another door."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    background: bool = False
    instructions: str | None = None
    metadata: dict[str, str] = {}
    previous_response_id: str | None = None
    store: bool = True
    tools: list[dict[str, JsonValue]] = []

    @classmethod
    def of(cls, ask: ResponseAsk) -> Self:
        return cls(
            background=bool(ask.background),
            instructions=ask.instructions,
            metadata=ask.metadata or {},
            previous_response_id=ask.previous_response_id,
            store=ask.store is not False,
            tools=[tool.model_dump(mode="json", exclude_unset=True) for tool in ask.tools or ()],
        )

    @classmethod
    def read(cls, first: Recorded) -> Self:
        """From a run's first event."""
        assert isinstance(first.event, Created), "a run begins with a created event"
        return cls.model_validate(first.event.door or {})

    @property
    def tool(self) -> ImageTool:
        return ImageTool.model_validate(self.tools[0]) if self.tools else ImageTool(type="image_generation")

    def size(self, document: Document) -> str | None:
        """As it was asked for."""
        asked = document.request.size
        return f"{asked.width}x{asked.height}" if asked else None
