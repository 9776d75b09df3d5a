"""The plan while the planner is still writing it: each step can be drawn as soon as it has closed.

Steps are pulled and recorded in a task of their own, so the reader of a run sees the plan grow while step 1 is being
drawn. Deliberately not here: re-asking a planner that fails. Its error reaches the loop after the steps it had
already closed, so these are still drawn and the document keeps a readable beginning, the same one whatever the
timing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Self

from interleavethinker.events import Event, Planned, StepPlanned
from interleavethinker.ports import Planner, Planning
from interleavethinker.types import InterleaveRequest, Step

Record = Callable[[Event], Awaitable[None]]
"""Makes an event durable, then known. Raises when it cannot, and then nothing may follow from the event."""


async def write_plan(request: InterleaveRequest, planner: Planner, record: Record) -> None:
    """The whole plan, recorded, with nothing drawn from it."""
    answer = planner.plan(request.brief, seed=request.seed, max_steps=request.max_steps)
    async with PlanInWriting(answer, record) as plan:
        async for _ in plan:
            pass


class PlanInWriting:
    """Async context manager and async iterable of steps. Iterating waits for the next step and raises what the
    planner raised."""

    def __init__(self, answer: AsyncGenerator[Step | Planning, None], record: Record) -> None:
        self._answer = answer
        self._record = record
        self._steps: list[Step] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._writing = asyncio.create_task(self._write())
        self._writing.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)

    def __aiter__(self) -> AsyncIterator[Step]:
        return self.following(None)

    async def following(self, step: Step | None) -> AsyncIterator[Step]:
        """The steps after this one (None: all), each as soon as it is written. Several may read at the same time."""
        given = 0 if step is None else self._steps.index(step) + 1  # not by number: they may stand in another order
        while True:
            if given < len(self._steps):
                yield self._steps[given]
                given += 1
            elif self._writing.done():
                self._writing.result()
                return
            else:
                self._news.clear()
                await self._news.wait()

    def between(self, one: Step, other: Step) -> Sequence[Step]:
        """The steps that stand after the one and before the other."""
        return self._steps[self._steps.index(one) + 1 : self._steps.index(other)]

    async def _write(self) -> None:
        began = time.perf_counter()
        async with aclosing(self._answer):  # also where an event cannot be recorded: the planner is stopped then
            async for part in self._answer:
                if isinstance(part, Planning):
                    seconds = time.perf_counter() - began
                    await self._record(Planned(seconds=seconds, **part._asdict()))
                else:
                    await self._record(StepPlanned(step=part))
                    self._steps.append(part)
                    self._news.set()
