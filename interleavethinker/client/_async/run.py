"""A run in hand: iterate over its events, wait for it, cancel it, let it go on, and get its document."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from interleavethinker.client._async.document import AsyncRunDocument
from interleavethinker.client.answers import Progress, RunAbout
from interleavethinker.events import Recorded
from interleavethinker.types import Budget, Step

if TYPE_CHECKING:
    from interleavethinker.client._async.client import AsyncClient


class AsyncRun:
    """One run of the service. `about`: what it last said of it, None for a run that is only named. `seen`: the number
    of the last event that was read here. `progress`: the last word on what is no event yet."""

    def __init__(self, client: AsyncClient, run_id: str, about: RunAbout | None = None) -> None:
        self.id, self.about = run_id, about
        self.seen = 0
        self.progress: Progress | None = None
        self._client = client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.about.status if self.about else ''}>".replace(" >", ">")

    def __aiter__(self) -> AsyncIterator[Recorded]:
        return self.events()

    async def events(
        self,
        *,
        after: int | None = None,
        progress: Callable[[Progress], object] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - both clients take it alike
    ) -> AsyncIterator[Recorded]:
        """The events as they happen, until the run is at its end: those above number `after`, or from where this run
        was last read (so that after a redraw only what is new comes). `progress` is told what is no event yet. Raises
        TimeoutError after `timeout` seconds."""

        def note(told: Progress) -> None:
            self.progress = told
            if progress:
                progress(told)

        until = None if timeout is None else time.monotonic() + timeout
        first = self.seen if after is None else after
        async for recorded in self._client.follow(self.id, after=first, progress=note, until=until):
            self.seen = recorded.seq
            yield recorded

    async def wait(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> AsyncRunDocument:
        """The document once the run is at its end, however it ended (`document.status`, `document.check()`). Raises
        TimeoutError after `timeout` seconds; the run goes on."""
        async for _ in self.events(timeout=timeout):
            pass
        return await self.document()

    async def document(self) -> AsyncRunDocument:
        """The document as it stands now."""
        return AsyncRunDocument(self._client, self, await self._client.document(self.id))

    async def image(self, digest: str) -> bytes:
        """An encoded picture of the run."""
        return await self._client.image(self.id, digest)

    async def preview(self, step: int, attempt: int) -> bytes:
        """The latest small picture of what is being drawn, a JPEG: `progress` says which `step` and attempt that is.
        Raises NotFound before there is one, and soon after the drawing is done."""
        return await self._client.preview(self.id, step, attempt)

    async def trace(self) -> dict[str, Any]:
        """Where the time went, raw answers of the models, and what it takes to make the same again."""
        return await self._client.trace(self.id)

    async def cancel(self) -> str:
        """End the run; `requested` or `already_done`. What it has finished stays readable."""
        return await self._client.cancel(self.id)

    async def resume(self, *, budget: Budget | dict[str, object] | None = None, key: str | None = None) -> AsyncRun:
        """Let it go on from what stands, after it ended `partial` or `failed`; itself, to be iterated over again."""
        await self._client.resume(self.id, budget=budget, key=key)
        return self

    async def edit_plan(self, steps: Sequence[Step]) -> AsyncRunDocument:
        """Put these steps in the plan's place, while it waits for a word on it (`review_plan=True`)."""
        return AsyncRunDocument(self._client, self, await self._client.edit_plan(self.id, steps))

    async def approve(self, *, key: str | None = None) -> AsyncRun:
        """Let it go on with its plan; itself."""
        await self._client.approve(self.id, key=key)
        return self
