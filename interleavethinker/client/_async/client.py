"""The client itself: every call of the public API by the run's id, and the handles that people work with."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Self, Unpack

import httpx2
from pydantic_core import from_json

from interleavethinker.client import answers
from interleavethinker.client._async.edits import AsyncEdits
from interleavethinker.client._async.run import AsyncRun
from interleavethinker.client._async.wire import AsyncWire
from interleavethinker.client.access import QUIET_SECONDS, Access
from interleavethinker.client.answers import Following, Progress, RunAbout, RunPage
from interleavethinker.client.apart import pause_async
from interleavethinker.client.asking import Continuation, Variations, Wishes, body
from interleavethinker.document import Document
from interleavethinker.errors import Unavailable
from interleavethinker.events import Recorded, Status
from interleavethinker.types import Budget, Step

FRUITLESS_STREAMS = 10
PAGE = 50
COMMENT_SECONDS = 15.0


class AsyncClient(AsyncEdits):
    """Talks to the orchestrator at `url` (INTERLEAVETHINKER_URL, else http://127.0.0.1:8080).

    `api_key`: a key, or an issuer's token, where the service wants one (INTERLEAVETHINKER_API_KEY). `patience`: seconds
    for which a service that has answered before is waited for when it is away, or says 429; `timeout`: seconds without
    a byte after which an answer is lost. Every call is safe to repeat, and is repeated. Every method raises the
    service's own error (`interleavethinker.errors`), Unavailable where none came, `Unreached` where nobody heard.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        patience: float = 30.0,
        timeout: float = QUIET_SECONDS,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.access = Access.of(url, api_key, patience, timeout)
        self.url = self.access.url
        self._wire = AsyncWire(self.access, transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._wire.close()

    async def interleave(self, prompt: str, *, key: str | None = None, **wishes: Unpack[Wishes]) -> AsyncRun:
        """Ask for a document; the run that makes it. `wishes` are the fields of POST /interleave: seed, images,
        references, max_attempts, max_steps, critic, budget, size, params, generator, style,
        characters, anchor, independent_steps, candidates, review_plan, webhook.

        The tries of this call begin one run; with a `key` of your own, so do later calls with it.
        """
        return self._run(await self._wire.call("POST", "/interleave", json=body(wishes, prompt=prompt), key=key))

    def run(self, run_id: str) -> AsyncRun:
        """The run with this id; nothing is asked yet."""
        return AsyncRun(self, run_id)

    async def runs(
        self, *, search: str | None = None, status: Sequence[Status | str] = (), page: int = PAGE
    ) -> AsyncIterator[AsyncRun]:
        """The caller's runs, newest first, asked for page by page as they are wanted."""
        cursor: str | None = None
        while True:
            asked = {"limit": page, "cursor": cursor, "search": search, "status": [str(each) for each in status]}
            query = {name: value for name, value in asked.items() if value}
            found = RunPage.model_validate_json(await self._wire.call("GET", "/interleave", query=query))
            for about in found.runs:
                yield AsyncRun(self, about.id, about)
            cursor = found.next
            if cursor is None:
                return

    async def ask(self, prompt: str, *, key: str | None = None, **wishes: Unpack[Wishes]) -> str:
        """As `interleave`; the run's id."""
        return (await self.interleave(prompt, key=key, **wishes)).id

    async def follow(
        self,
        run_id: str,
        *,
        after: int = 0,
        progress: Callable[[Progress], object] | None = None,
        until: float | None = None,
    ) -> AsyncIterator[Recorded]:
        """The run's events above number `after` as they happen, until it has finished.

        A stream that is cut goes on where it stopped (Last-Event-ID), so no event is missed or comes twice. `progress`
        is told what is no event yet. Raises Unavailable when it is cut again and again with nothing new, TimeoutError
        after `until` (of the monotonic clock).
        """
        told, whole = Following(after), False
        while not (whole and told.ended) and told.fruitless < FRUITLESS_STREAMS:
            await pause_async(told.pause)
            quiet = self._quiet(run_id, until)
            response = await self._wire.open(f"/interleave/{run_id}/events", told.again(), quiet)
            whole = False
            try:
                async with aclosing(response):
                    async for line in response.aiter_lines():
                        found = told.take(line)
                        if isinstance(found, Recorded):
                            yield found
                        elif found is not None and progress:
                            progress(found)
                        if until is not None and until - time.monotonic() < min(quiet - 1, COMMENT_SECONDS):
                            break  # the next stream is listened to for the rest of the time only
                    else:
                        whole = True
            except httpx2.TransportError:
                pass  # cut on the way, or the service was restarted: the next request finds out
            if whole and not told.ended and (await self.document(run_id)).status.final:
                return
        if not (whole and told.ended):
            raise Unavailable(f"{self.url} cuts the events of {run_id} off again and again")

    def _quiet(self, run_id: str, until: float | None) -> float:
        """How long a stream may be without a byte. Raises TimeoutError."""
        left = QUIET_SECONDS if until is None else until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{run_id} is not at its end yet")
        return min(left, QUIET_SECONDS)

    async def document(self, run_id: str) -> Document:
        """The document as it stands now."""
        return answers.document(await self._wire.call("GET", f"/interleave/{run_id}"))

    async def image(self, run_id: str, digest: str) -> bytes:
        """An encoded picture of the run, by its digest (`Document.images` has them all)."""
        return await self._wire.call("GET", f"/interleave/{run_id}/images/{digest}")

    async def preview(self, run_id: str, step: int, attempt: int) -> bytes:
        """The latest small picture of an attempt that is being drawn, a JPEG; `step` by its index. Raises NotFound
        before there is one, and soon after the drawing is done."""
        return await self._wire.call("GET", f"/interleave/{run_id}/steps/{step}/attempts/{attempt}/preview")

    async def cancel(self, run_id: str) -> str:
        """End the run; `requested` or `already_done`. What it has finished stays readable."""
        return str(from_json(await self._wire.call("DELETE", f"/interleave/{run_id}"))["cancel"])

    async def resume(
        self, run_id: str, *, budget: Budget | dict[str, object] | None = None, key: str | None = None
    ) -> None:
        """Let a run that ended `partial` or `failed` go on from what stands, with another budget where one is given."""
        await self._wire.call("POST", f"/interleave/{run_id}/resume", json=body({}, budget=budget), key=key)

    async def branch(
        self,
        run_id: str,
        from_step: int,
        *,
        steps: Sequence[Step] | None = None,
        key: str | None = None,
        **wishes: Unpack[Variations],
    ) -> str:
        """A new run that shares the steps before `from_step`; its id. `steps` is the plan from there on, where it is
        another; `wishes`: seed, max_attempts, critic, budget, params, generator,
        webhook."""
        asked = body(wishes, from_step=from_step, steps=steps)
        return self._run(await self._wire.call("POST", f"/interleave/{run_id}/branch", json=asked, key=key)).id

    async def continue_(
        self, run_id: str, prompt: str, *, key: str | None = None, **wishes: Unpack[Continuation]
    ) -> str:
        """A new run that continues the document; its id. `wishes` as for `branch`, and max_steps, review_plan."""
        asked = body(wishes, prompt=prompt)
        return self._run(await self._wire.call("POST", f"/interleave/{run_id}/continue", json=asked, key=key)).id

    go_on = continue_

    def _run(self, answer: bytes) -> AsyncRun:
        about = RunAbout.model_validate_json(answer)
        return AsyncRun(self, about.id, about)
