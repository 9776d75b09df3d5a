"""A run's hints to the generator: given beside the run, which never waits for one. None outlives the run's work: one
that is canceled, ends early or is dropped leaves no drawing behind that nobody waits for.

Deliberately not here: when to give a hint and when a refusal withdraws it (`loop`).
"""

from __future__ import annotations

import asyncio
from typing import Self

from interleavethinker.ports import Foretelling, Generator
from interleavethinker.telemetry import HINTS
from interleavethinker.types import Drawing, ImageJob
from services.orchestrator.to_the_end import to_the_end


class Hints:
    """A generator that remembers what it was hinted at. On leaving, hints that came to nothing are withdrawn."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._open: dict[str, tuple[ImageJob, asyncio.Task[None]]] = {}
        self._asked: dict[str, asyncio.Future[Drawing | None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await to_the_end(self._forget_all())

    async def _forget_all(self) -> None:
        for job, _told in list(self._open.values()):
            await self.forget(job)

    async def draw(self, job: ImageJob) -> Drawing:
        if hint := self._open.pop(job.id, None):
            hint[1].cancel()  # one that is still on its way says nothing that this call does not say
            HINTS.labels("used").inc()
        answer = self._asked[job.id] = asyncio.get_running_loop().create_future()
        drawing = None
        try:
            drawing = await self._generator.draw(job)
        finally:
            answer.set_result(drawing)
        return drawing

    def asked(self, job: ImageJob) -> bool:
        """Whether the run has asked for the job itself."""
        return job.id in self._asked

    async def hinted(self, job: ImageJob) -> Drawing | None:
        """The picture of a hint, or of a job that was asked for meanwhile. None where there is, or can be, none."""
        if hint := self._open.get(job.id):
            await asyncio.wait([hint[1]])
        if answer := self._asked.get(job.id):
            return await asyncio.shield(answer)
        if not hint or not isinstance(self._generator, Foretelling):
            return None
        return await self._generator.hinted(job)

    async def foresee(self, job: ImageJob) -> None:
        HINTS.labels("given").inc()
        self._open[job.id] = job, asyncio.create_task(self._generator.foresee(job))

    async def forget(self, job: ImageJob) -> None:
        if hint := self._open.pop(job.id, None):
            await asyncio.gather(hint[1], return_exceptions=True)  # else it could come after its withdrawal
            HINTS.labels("withdrawn").inc()
        await self._generator.forget(job)
