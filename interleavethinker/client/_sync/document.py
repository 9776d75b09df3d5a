"""A run's document in hand: read it, have steps drawn again, go on from it, save and export it."""

# Made from the file of this name in `_async` by `make client`: change that one.
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from interleavethinker.client import taking
from interleavethinker.client.apart import apart
from interleavethinker.client.asking import Continuation, Redrawing, Variations
from interleavethinker.document import Document, DocumentAttempt, DocumentStep
from interleavethinker.events import Problem, Status
from interleavethinker.types import ImageRef, Step

if TYPE_CHECKING:
    from interleavethinker.client._sync.client import Client
    from interleavethinker.client._sync.run import Run


class RunDocument:
    """The document of `run` as it stood when it was asked for; `value` is all of it."""

    def __init__(self, client: Client, run: Run, value: Document) -> None:
        self.run, self.value = run, value
        self._client = client
        self._pictures: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}, {len(self.value.steps)} steps>"

    @property
    def id(self) -> str:
        return self.value.run_id

    @property
    def status(self) -> Status:
        return self.value.status

    @property
    def prompt(self) -> str:
        return self.value.request.brief.prompt

    @property
    def problem(self) -> Problem | None:
        return self.value.problem

    @property
    def steps(self) -> tuple[RunStep, ...]:
        """The steps in order, counted from 0 as in any sequence; `step(n)` finds one by its own number."""
        return tuple(RunStep(self, each) for each in self.value.steps)

    def step(self, number: int) -> RunStep:
        """The step with this number, as the document shows it (from 1 on). Raises KeyError."""
        for step in self.steps:
            if step.number == number:
                return step
        raise KeyError(f"the document has no step {number}")

    def check(self) -> RunDocument:
        """Itself. Raises the run's problem, of its class, when it did not succeed."""
        taking.check(self.value)
        return self

    def refresh(self) -> RunDocument:
        """The document as it stands now."""
        return self.run.document()

    def pictures(self) -> dict[str, bytes]:
        """Every picture by digest, encoded; each is fetched once."""
        for digest in self.value.images:
            if digest not in self._pictures:
                self._pictures[digest] = self._client.image(self.id, digest)
        return self._pictures

    def save(self, out: str | Path) -> Path:
        """Write document.html, document.md, document.json and images/ into a folder; the path of document.html."""
        return apart(taking.save, self.value, self.pictures(), Path(out))

    def export(self, path: str | Path) -> Path:
        """Write it as one file in the format of the name's ending (docs/client.md lists them). Made on this machine."""
        return apart(taking.export, self.value, self.pictures(), Path(path))

    def branch(
        self,
        from_step: int,
        *,
        steps: Sequence[Step] | None = None,
        key: str | None = None,
        **wishes: Unpack[Variations],
    ) -> Run:
        """A new run that shares the steps before step number `from_step` and draws the others itself."""
        return self._client.run(self._client.branch(self.id, from_step, steps=steps, key=key, **wishes))

    def continue_(self, prompt: str, *, key: str | None = None, **wishes: Unpack[Continuation]) -> Run:
        """A new run that goes on where this document stops."""
        return self._client.run(self._client.continue_(self.id, prompt, key=key, **wishes))

    def _repr_html_(self) -> str:
        """What a notebook shows. Pictures that were not fetched yet are fetched at once, in a blocking call."""
        taking.fetch_now(self.value, self._pictures, self._client.access)
        return taking.notebook(self.value, self._pictures)


class RunStep:
    """A step of a document; `value` is all of it, `number` the one that it bears."""

    def __init__(self, document: RunDocument, value: DocumentStep) -> None:
        self.document, self.value = document, value
        self._run, self._client = document.run, document.run._client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number} {self.name!r}>"

    @property
    def number(self) -> int:
        return self.value.step.index

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
        self._client.redraw(self._run.id, self.number, key=key, **wishes)
        return self._run

    def keep(self, attempt: int, *, key: str | None = None) -> RunDocument:
        """Let another attempt stand; the document as it is then."""
        return RunDocument(self._client, self._run, self._client.keep(self._run.id, self.number, attempt, key=key))
