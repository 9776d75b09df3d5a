"""A run's hints to the generator, so that none outlives the run's work: one that is canceled, ends early or is dropped
leaves no drawing behind that nobody waits for.

Deliberately not here: when to give a hint and when a refusal withdraws it (`loop`).
"""

from __future__ import annotations

from typing import Self

from interleavethinker.ports import Generator
from interleavethinker.telemetry import HINTS
from interleavethinker.types import Drawing, ImageJob


class Hints:
    """A generator that remembers what it was hinted at. On leaving, hints that came to nothing are withdrawn."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._open: dict[str, ImageJob] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for job in list(self._open.values()):
            await self.forget(job)

    async def draw(self, job: ImageJob) -> Drawing:
        if self._open.pop(job.id, None):
            HINTS.labels("used").inc()
        return await self._generator.draw(job)

    async def foresee(self, job: ImageJob) -> None:
        self._open[job.id] = job
        HINTS.labels("given").inc()
        await self._generator.foresee(job)

    async def forget(self, job: ImageJob) -> None:
        if self._open.pop(job.id, None):
            HINTS.labels("withdrawn").inc()
        await self._generator.forget(job)
