"""The runs under way: starting, limiting, canceling, waiting, and taking them up again after a restart.

Here an error becomes the end of a run: `partial` where finished steps stand, else `failed`, with the problem in words.
Deliberately not here: the algorithm (`loop`), how a run is replayed (`replay`), and what is stored (`journal`).
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Literal

import structlog

from interleavethinker import http
from interleavethinker.errors import Conflict, InterleaveError, Malformed, NotFound
from interleavethinker.events import Event, Finished, Problem, Started, Status
from interleavethinker.ports import Critic, Generator, Planner
from interleavethinker.types import InterleaveRequest
from services.orchestrator.journal import Journal
from services.orchestrator.loop import interleave
from services.orchestrator.metrics import RunMetrics
from services.orchestrator.replay import Replay
from services.orchestrator.rules import BudgetSpent

log = structlog.get_logger(__name__)

CancelAnswer = Literal["requested", "already_done", "unknown"]


class Runs:
    """Works on runs in tasks of this process, at most `at_once` of them at a time; the others wait as `queued`."""

    def __init__(
        self,
        journal: Journal,
        *,
        planner: Planner,
        critic: Critic,
        generator: Generator,
        at_once: int = 4,
        speculate: bool = False,
    ) -> None:
        self.journal = journal
        self._planner, self._critic, self._generator = planner, critic, generator
        self._room = asyncio.Semaphore(at_once)
        self._speculate = speculate
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, request: InterleaveRequest, *, owner: str | None = None) -> str:
        """Write the run into the journal and begin to work on it; its id."""
        run_id = await self.journal.create(request, owner=owner)
        self._launch(run_id)
        return run_id

    async def resume(self) -> list[str]:
        """Take up every unfinished run of the journal; their ids. Called once, at start-up."""
        unfinished = await self.journal.unfinished()
        for run_id in unfinished:
            self._launch(run_id)
        return unfinished

    async def cancel(self, run_id: str) -> CancelAnswer:
        """End the run as `canceled`; what it has finished stays readable. On return nothing of it is under way."""
        try:
            # The end is written first: from here on the journal takes no other event of this run.
            await self._append(run_id, Finished(status=Status.CANCELED), RunMetrics([]))
        except NotFound:
            return "unknown"
        except Conflict:
            return "already_done"
        if task := self._tasks.get(run_id):
            task.cancel()
            await asyncio.wait({task})
        return "requested"

    async def wait(self, run_id: str, seconds: float) -> bool:
        """Wait for the run's end; False when it has not come within `seconds`. Raises NotFound."""
        try:
            async with asyncio.timeout(seconds), aclosing(self.journal.follow(run_id)) as events:
                async for _ in events:
                    pass
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop working, with no word in the journal: the runs are taken up again at the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _launch(self, run_id: str) -> None:
        self._tasks[run_id] = task = asyncio.create_task(self._run(run_id), name=run_id)
        task.add_done_callback(lambda done: self._left(run_id, done))

    def _left(self, run_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(run_id, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("run left without an end; it is taken up at the next start", run_id=run_id, exc_info=error)

    async def _run(self, run_id: str) -> None:
        http.run_id.set(run_id)
        http.tenant.set(await self.journal.owner(run_id))
        async with self._room:
            past = await self.journal.events(run_id)
            events = [recorded.event for recorded in past]
            began = next((recorded.at for recorded in past if isinstance(recorded.event, Started)), datetime.now(UTC))
            metrics = RunMetrics(events)

            async def record(event: Event) -> None:
                await self._append(run_id, event, metrics)

            replay = Replay(
                events, planner=self._planner, generator=self._generator, critic=self._critic, record=record
            )
            try:
                await record(Started())
                await interleave(
                    (await self.journal.run(run_id)).request,
                    planner=replay.planner,
                    generator=replay.generator,
                    critic=replay.critic,
                    record=replay.record,
                    elapsed=lambda: 0.0 if replay.generator.recorded else (datetime.now(UTC) - began).total_seconds(),
                    speculate=self._speculate,
                )
                end = Finished(status=Status.SUCCEEDED)
            except Exception as error:
                end = await self._end(run_id, error)
            try:
                await record(end)
            except Conflict:
                log.info("run was ended elsewhere")

    async def _append(self, run_id: str, event: Event, metrics: RunMetrics) -> None:
        await self.journal.append(run_id, event)
        metrics.observe(event)

    async def _end(self, run_id: str, error: Exception) -> Finished:
        """What the error makes of the run. A limit that the caller set is no failure, even before the first step."""
        document = await self.journal.document(run_id)
        stands = isinstance(error, BudgetSpent) or any(step.finished for step in document.steps)
        return Finished(status=Status.PARTIAL if stands else Status.FAILED, problem=_problem(error))


def _problem(error: Exception) -> Problem:
    if isinstance(error, InterleaveError):
        raw = error.raw if isinstance(error, Malformed) else None
        return Problem(code=error.code, detail=error.detail, retryable=error.retryable, raw=raw)
    log.error("unexpected error in a run", exc_info=error)
    return Problem(code=InterleaveError.code, detail="an unexpected error; the orchestrator's log has it by run id")
