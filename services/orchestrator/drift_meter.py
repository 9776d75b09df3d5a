"""The drift of documents as a metric, measured after their runs have ended, one document at a time.

No run waits for it: what comes while `MOST` documents wait is left out, so under load the metric is a sample
(docs/decisions/0085). Deliberately not here: what drift is (`drift`), and whom it is shown to (`showing`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Set
from typing import NamedTuple, Self

import structlog

from interleavethinker import http
from interleavethinker.document import Document
from interleavethinker.ports import Blobs
from services.orchestrator.drift import drifts
from services.orchestrator.metrics import DRIFT

log = structlog.get_logger(__name__)

MOST = 32


class _Ended(NamedTuple):
    run_id: str
    tenant: str | None
    steps: Set[int]


class DriftMeter:
    """Use as an async context manager: on leaving, what still waits is left unmeasured. `document` reads a run's."""

    def __init__(self, document: Callable[[str], Awaitable[Document]], blobs: Blobs) -> None:
        self._document, self._blobs = document, blobs
        self._ended: asyncio.Queue[_Ended] = asyncio.Queue(MOST)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._measure(), name="drift")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def ended(self, run_id: str, steps: Set[int]) -> None:
        """Called, for the tenant of the run (`http.tenant`), when a round of it has ended that settled these steps."""
        if steps and not self._ended.full():
            self._ended.put_nowait(_Ended(run_id, http.tenant.get(), steps))

    async def _measure(self) -> None:
        while True:
            ended = await self._ended.get()
            http.tenant.set(ended.tenant)
            try:
                found = await drifts(await self._document(ended.run_id), self._blobs)
            except Exception as error:  # nobody waits for it, and the next one may go better
                log.debug("drift is not measured", run_id=ended.run_id, reason=str(error))
                continue
            for each in found:
                if each.step in ended.steps:
                    DRIFT.labels("colour").observe(each.colour)
                    DRIFT.labels("layout").observe(each.layout)
