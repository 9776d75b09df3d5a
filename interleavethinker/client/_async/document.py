"""A run's document in hand: read it, have steps drawn again, go on from it, save and export it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from interleavethinker.client import taking
from interleavethinker.client._async.step import AsyncRunStep
from interleavethinker.client.answers import Share
from interleavethinker.client.apart import apart_async, at_once_async
from interleavethinker.client.asking import Continuation, Insertion, Picture, Variations
from interleavethinker.document import Document
from interleavethinker.events import Problem, Status
from interleavethinker.types import Step

if TYPE_CHECKING:
    from interleavethinker.client._async.client import AsyncClient
    from interleavethinker.client._async.run import AsyncRun


class AsyncRunDocument:
    """The document of `run` as it stood when it was asked for; `value` is all of it."""

    def __init__(self, client: AsyncClient, run: AsyncRun, value: Document) -> None:
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
    def steps(self) -> tuple[AsyncRunStep, ...]:
        """The steps in order, counted from 0 as in any sequence; `step(n)` finds one by its own number."""
        return tuple(AsyncRunStep(self, each) for each in self.value.steps)

    def step(self, number: int) -> AsyncRunStep:
        """The step with this number, as the document shows it (from 1 on). Raises KeyError."""
        for step in self.steps:
            if step.number == number:
                return step
        raise KeyError(f"the document has no step {number}")

    def at(self, value: Document) -> AsyncRunDocument:
        """The same run's document at another moment."""
        return AsyncRunDocument(self._client, self.run, value)

    def check(self) -> AsyncRunDocument:
        """Itself. Raises the run's problem, of its class, when it did not succeed."""
        taking.check(self.value)
        return self

    async def refresh(self) -> AsyncRunDocument:
        """The document as it stands now."""
        return await self.run.document()

    async def pictures(self) -> dict[str, bytes]:
        """Every picture by digest, encoded; each is fetched once."""
        return await self._fetched(self.value.images)

    async def _fetched(self, digests: Iterable[str]) -> dict[str, bytes]:
        for digest in digests:
            if digest not in self._pictures:
                self._pictures[digest] = await self._client.image(self.id, digest)
        return self._pictures

    async def save(self, out: str | Path, *, language: str | None = None) -> Path:
        """Write document.html, document.md, document.json and images/ into a folder; the path of document.html."""
        return await apart_async(taking.folder, self.value, await self.pictures(), Path(out), language)

    async def export(self, path: str | Path, *, language: str | None = None) -> Path:
        """Write it as one file in the format of the name's ending: .pdf, .docx, .pptx, .epub, .html, .md, .json, .zip.
        Made on this machine. `language`, such as "de", is what the texts are written in; None: judged by their script.
        """
        taking.can_save(Path(path))
        return await apart_async(taking.save, self.value, await self.pictures(), Path(path), language)

    async def insert(self, after: int, *, key: str | None = None, **wishes: Unpack[Insertion]) -> AsyncRun:
        """A step more, after the one with this index (0: before all); the run, whose new events are next."""
        await self._client.insert_step(self.id, after, key=key, **wishes)
        return self.run

    async def arrange(self, steps: Sequence[int]) -> AsyncRunDocument:
        """The steps in this order, by index; every one once. The document as it is then."""
        return self.at(await self._client.arrange(self.id, steps))

    async def pin(self, references: Sequence[Picture]) -> AsyncRunDocument:
        """The pictures that every drawing from here on is given. The document as it is then."""
        return self.at(await self._client.pin(self.id, references))

    async def share(self, *, expires_in: float | None = None) -> Share:
        """A link by which anyone may read it, for so many seconds, or until `client.unshare(id)`."""
        return await self._client.share(self.id, expires_in=expires_in)

    async def branch(
        self,
        from_step: int,
        *,
        steps: Sequence[Step] | None = None,
        key: str | None = None,
        **wishes: Unpack[Variations],
    ) -> AsyncRun:
        """A new run that shares the steps before the one with this index and draws the others itself."""
        return self._client.run(await self._client.branch(self.id, from_step, steps=steps, key=key, **wishes))

    async def continue_(self, prompt: str, *, key: str | None = None, **wishes: Unpack[Continuation]) -> AsyncRun:
        """A new run that goes on where this document stops."""
        return self._client.run(await self._client.continue_(self.id, prompt, key=key, **wishes))

    def _repr_html_(self) -> str:
        """What a notebook shows. Pictures that were not fetched yet are fetched in it, where a call may wait; with
        async it may not, and their place says how they are fetched."""
        standing = [step.image.digest for step in self.steps if step.image]
        at_once_async(self._fetched, standing)
        return taking.notebook(self.value, self._pictures)
