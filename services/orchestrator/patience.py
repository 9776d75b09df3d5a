"""A run waits for a service that is away, with growing pauses, instead of failing: absence costs time, never attempts.

These stand in front of the real ports. Each has its own patience; the run's own deadline (`budget.max_seconds`) ends
every waiting. Deliberately not here: the short retries of one call and the breaker (interleavethinker/clients), and
waiting for the journal (a run without its journal is dropped and taken up again).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import structlog

from interleavethinker.errors import DrawFailed, InterleaveError, NobodyDraws, Unavailable
from interleavethinker.ports import Critic, Generator, Judgement, Planner, Planning
from interleavethinker.types import Brief, Critique, Drawing, ImageJob, Step
from services.orchestrator.metrics import WAITED
from services.orchestrator.replay import beyond
from services.orchestrator.rules import BudgetSpent

log = structlog.get_logger(__name__)
T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
REDRAWS = 3
"""So often a drawing that failed by the fault of its machine is asked for again."""


class Patience:
    """With one service, in one run. `seconds`: how long it is waited for in all. `left`: seconds until the run's own
    deadline, None where it has none."""

    def __init__(self, service: str, seconds: float, left: Callable[[], float | None]) -> None:
        self._service, self._seconds, self._left = service, seconds, left
        self._pause, self._reason = FIRST_PAUSE, ""

    def content(self) -> None:
        """The service answered."""
        self._pause, self._reason = FIRST_PAUSE, ""

    async def wait(self, error: InterleaveError) -> None:
        """Sleep until it is worth another try. Raises the error when the patience is spent, BudgetSpent at the
        deadline."""
        if isinstance(error, NobodyDraws):  # that call has waited already
            self._seconds -= float(str(error.extra.get("waited", 0.0)))
            self._pause = FIRST_PAUSE
        if self._seconds <= 0:
            raise error
        pause = min(self._pause * random.uniform(0.5, 1.5), self._seconds)
        left = self._left()
        if left is not None and left <= pause:
            await asyncio.sleep(max(0.0, left))
            raise BudgetSpent(f"budget.max_seconds was over while waiting: {error.detail}") from error
        self._reason = f": {error.detail}"
        log.warning("waiting for a service", wanted=self._service, seconds=round(pause, 2), reason=error.detail)
        await asyncio.sleep(pause)
        WAITED.labels(self._service).inc(pause)
        self._seconds -= pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Ends what is done within at the run's deadline. Raises BudgetSpent then."""
        limit = asyncio.timeout(self._left())
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            said = f"budget.max_seconds was over while waiting for the {self._service}{self._reason}"
            raise BudgetSpent(said) from error

    async def over(self, call: Callable[[], Awaitable[T]]) -> T:
        """The call's answer, asked for until somebody gives one."""
        redraws = 0
        while True:
            try:
                answer = await call()
            except InterleaveError as error:
                redraws += isinstance(error, DrawFailed)
                if not _passes(error) or redraws > REDRAWS:
                    raise
                await self.wait(error)
            else:
                self.content()
                return answer


class PatientPlanner:
    """Also a plan that is cut half-way is asked for again, and goes on after the steps that were given out."""

    def __init__(self, planner: Planner, patience: Patience) -> None:
        self._planner, self._patience = planner, patience

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        given: list[Step] = []
        while True:
            try:
                answer = self._planner.plan(brief, seed=seed, max_steps=max_steps)
                async with aclosing(beyond(list(given), answer)) as rest:
                    async for part in rest:
                        self._patience.content()
                        yield part
                        if not isinstance(part, Planning):
                            given.append(part)
                return
            except InterleaveError as error:
                if not _passes(error):
                    raise
                await self._patience.wait(error)


class PatientGenerator:
    """Hints are not waited for. The run's deadline ends a drawing too, whether it waits in the queue or is under way;
    what is not waited for any more is withdrawn."""

    def __init__(self, generator: Generator, patience: Patience) -> None:
        self._generator, self._patience = generator, patience
        self.foresee, self.forget = generator.foresee, generator.forget

    async def draw(self, job: ImageJob) -> Drawing:
        try:
            async with self._patience.deadline():
                return await self._patience.over(lambda: self._generator.draw(job))
        except (BudgetSpent, Unavailable, asyncio.CancelledError):
            await self._generator.forget(job)  # between two tries it waits in the queue, and nobody would come for it
            raise


class PatientCritic:
    def __init__(self, critic: Critic, patience: Patience) -> None:
        self._critic, self._patience = critic, patience

    async def judge(self, critique: Critique) -> Judgement:
        return await self._patience.over(lambda: self._critic.judge(critique))


def _passes(error: InterleaveError) -> bool:
    """Whether the trouble is the system's, and may be over in a while."""
    return isinstance(error, Unavailable | DrawFailed) and error.retryable
