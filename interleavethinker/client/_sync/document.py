"""A run's document in hand: read it, have steps drawn again, go on from it, save and export it."""

# Made from the file of this name in `_async` by `make client`: change that one.
from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from interleavethinker.client import taking
from interleavethinker.client._sync.step import RunStep
from interleavethinker.client.answers import Share
from interleavethinker.client.apart import apart, at_once
from interleavethinker.client.asking import Continuation, Insertion, Picture, Variations
from interleavethinker.document import Document
from interleavethinker.events import Problem, Status
from interleavethinker.types import Step

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

    def at(self, value: Document) -> RunDocument:
        """The same run's document at another moment."""
        return RunDocument(self._client, self.run, value)

    def check(self) -> RunDocument:
        """Itself. Raises the run's problem, of its class, when it did not succeed."""
        taking.check(self.value)
        return self

    def refresh(self) -> RunDocument:
        """The document as it stands now."""
        return self.run.document()

    def pictures(self) -> dict[str, bytes]:
        """Every picture by digest, encoded; each is fetched once."""
        return self._fetched(self.value.images)

    def _fetched(self, digests: Iterable[str]) -> dict[str, bytes]:
        for digest in digests:
            if digest not in self._pictures:
                self._pictures[digest] = self._client.image(self.id, digest)
        return self._pictures

    def save(self, out: str | Path, *, language: str | None = None) -> Path:
        """Write document.html, document.md, document.json and images/ into a folder; the path of document.html."""
        return apart(taking.folder, self.value, self.pictures(), Path(out), language)

    def export(self, path: str | Path, *, language: str | None = None) -> Path:
        """Write it as one file in the format of the name's ending: .pdf, .docx, .pptx, .epub, .html, .md, .json, .zip.
        Made on this machine. `language`, such as "de", is what the texts are written in; None: judged by their script.
        """
        taking.can_save(Path(path))
        return apart(taking.save, self.value, self.pictures(), Path(path), language)

    def insert(self, after: int, *, key: str | None = None, **wishes: Unpack[Insertion]) -> Run:
        """A step more, after the one with this index (0: before all); the run, whose new events are next."""
        self._client.insert_step(self.id, after, key=key, **wishes)
        return self.run

    def arrange(self, steps: Sequence[int]) -> RunDocument:
        """The steps in this order, by index; every one once. The document as it is then."""
        return self.at(self._client.arrange(self.id, steps))

    def pin(self, references: Sequence[Picture]) -> RunDocument:
        """The pictures that every drawing from here on is given. The document as it is then."""
        return self.at(self._client.pin(self.id, references))

    def share(self, *, expires_in: float | None = None) -> Share:
        """A link by which anyone may read it, for so many seconds, or until `client.unshare(id)`."""
        return self._client.share(self.id, expires_in=expires_in)

    def branch(
        self,
        from_step: int,
        *,
        steps: Sequence[Step] | None = None,
        key: str | None = None,
        **wishes: Unpack[Variations],
    ) -> Run:
        """A new run that shares the steps before the one with this index and draws the others itself."""
        return self._client.run(self._client.branch(self.id, from_step, steps=steps, key=key, **wishes))

    def continue_(self, prompt: str, *, key: str | None = None, **wishes: Unpack[Continuation]) -> Run:
        """A new run that goes on where this document stops."""
        return self._client.run(self._client.continue_(self.id, prompt, key=key, **wishes))

    def _repr_html_(self) -> str:
        """What a notebook shows. Pictures that were not fetched yet are fetched in it, where a call may wait; with
        async it may not, and their place says how they are fetched."""
        standing = [step.image.digest for step in self.steps if step.image]
        at_once(self._fetched, standing)
        return taking.notebook(self.value, self._pictures)
