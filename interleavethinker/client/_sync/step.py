"""A step of a document in hand: read it, have it drawn again, choose, reword or take it out."""

# Made from the file of this name in `_async` by `make client`: change that one.
from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from interleavethinker.client.asking import Redrawing, StepTexts
from interleavethinker.document import DocumentAttempt, DocumentStep
from interleavethinker.types import ImageRef

if TYPE_CHECKING:
    from interleavethinker.client._sync.document import RunDocument
    from interleavethinker.client._sync.run import Run


class RunStep:
    """A step of a document; `value` is all of it."""

    def __init__(self, document: RunDocument, value: DocumentStep) -> None:
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

    def picture(self) -> bytes | None:
        """The picture that stands, encoded; None for a step without one."""
        return self._client.image(self._run.id, self.image.digest) if self.image else None

    def redraw(self, *, key: str | None = None, **wishes: Unpack[Redrawing]) -> Run:
        """Have it drawn again: with another prompt, seed, number of attempts, budget; `later="redraw"` draws the steps
        after it again too. The run, whose new events are next."""
        self._client.redraw(self._run.id, self.index, key=key, **wishes)
        return self._run

    def keep(self, attempt: int, *, key: str | None = None) -> RunDocument:
        """Let another attempt stand; the document as it is then."""
        return self.document.at(self._client.keep(self._run.id, self.index, attempt, key=key))

    def edit(self, **texts: Unpack[StepTexts]) -> RunDocument:
        """Other texts: name, instruction, auxiliary_text, prompt; None empties one. Nothing is drawn. The document as
        it is then."""
        return self.document.at(self._client.edit_step(self._run.id, self.index, **texts))

    def delete(self) -> RunDocument:
        """Take it out; the document as it is then."""
        return self.document.at(self._client.delete_step(self._run.id, self.index))
