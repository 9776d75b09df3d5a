"""A step of a document in hand: read it, have it drawn again, choose, reword or take it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from interleavethinker.client.asking import Redrawing, StepTexts
from interleavethinker.document import DocumentAttempt, DocumentStep
from interleavethinker.types import ImageRef

if TYPE_CHECKING:
    from interleavethinker.client._async.document import AsyncRunDocument
    from interleavethinker.client._async.run import AsyncRun


class AsyncRunStep:
    """A step of a document; `value` is all of it."""

    def __init__(self, document: AsyncRunDocument, value: DocumentStep) -> None:
        self.document, self.value = document, value
        self._run, self._client = document.run, document.run._client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number} {self.name!r}>"

    @property
    def index(self) -> int:
        """What the calls take; it stays the step's own in whatever order the steps are shown."""
        return self.value.step.index

    @property
    def number(self) -> int:
        """What a reader sees."""
        return self.value.number

    @property
    def name(self) -> str:
        return self.value.step.name

    @property
    def text(self) -> str:
        return self.value.step.text

    @property
    def attempts(self) -> tuple[DocumentAttempt, ...]:
        return self.value.attempts

    @property
    def image(self) -> ImageRef | None:
        """The name of the picture that stands."""
        return self.value.image

    async def picture(self) -> bytes | None:
        """The picture that stands, encoded; None for a step without one."""
        return await self._client.image(self._run.id, self.image.digest) if self.image else None

    async def redraw(self, *, key: str | None = None, **wishes: Unpack[Redrawing]) -> AsyncRun:
        """Have it drawn again: with another prompt, seed, number of attempts, budget; `later="redraw"` draws the steps
        after it again too. The run, whose new events are next."""
        await self._client.redraw(self._run.id, self.index, key=key, **wishes)
        return self._run

    async def keep(self, attempt: int, *, key: str | None = None) -> AsyncRunDocument:
        """Let another attempt stand; the document as it is then."""
        return self.document.at(await self._client.keep(self._run.id, self.index, attempt, key=key))

    async def edit(self, **texts: Unpack[StepTexts]) -> AsyncRunDocument:
        """Other texts: name, instruction, auxiliary_text, prompt; None empties one. Nothing is drawn. The document as
        it is then."""
        return self.document.at(await self._client.edit_step(self._run.id, self.index, **texts))

    async def delete(self) -> AsyncRunDocument:
        """Take it out; the document as it is then."""
        return self.document.at(await self._client.delete_step(self._run.id, self.index))
