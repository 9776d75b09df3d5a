"""The runs: starting, working on them, canceling, resuming, waiting.

Every replica on a journal does this; which one works on a run is decided by leases (`claims`). Here an error becomes
the end of a run: `partial` where finished steps stand, else `failed`, with the problem in words. Deliberately not here:
the algorithm (`loop`), how a run is replayed (`replay`), waiting for services that are away (`patience`), and what is
stored (`journal`).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Literal

import structlog

from interleavethinker import http
from interleavethinker.document import Document, fold
from interleavethinker.errors import Conflict, InterleaveError, Malformed, NotFound
from interleavethinker.events import Created, Event, Finished, PlanAwaited, Planned, Problem, Recorded, Started, Status
from interleavethinker.ports import Critic, Generator, Planner, watching
from interleavethinker.types import InterleaveRequest
from services.orchestrator.claims import Claims
from services.orchestrator.generators import Generators
from services.orchestrator.hints import Hints
from services.orchestrator.idempotency import Key
from services.orchestrator.journal import Begun, Journal, LeaseLost
from services.orchestrator.leases import Claim, Leases
from services.orchestrator.loop import interleave
from services.orchestrator.metrics import RunMetrics
from services.orchestrator.outbox import Hook
from services.orchestrator.patience import Patience, PatientCritic, PatientGenerator, PatientPlanner
from services.orchestrator.reaching import JournalAway
from services.orchestrator.replay import Replay
from services.orchestrator.rounds import BEGINS_ROUND, Round, round_of
from services.orchestrator.rules import BudgetSpent
from services.orchestrator.screening import Guards
from services.orchestrator.writing import write_plan

log = structlog.get_logger(__name__)

CancelAnswer = Literal["requested", "already_done", "unknown"]


class Runs:
    """Works on runs of the journal in tasks of this process, at most `at_once` of them at a time; the others wait as
    `queued`, or are worked on by other replicas. It begins with `open`, or with the first run that is started here.

    `lease_seconds`: after so much silence others take a run over. `patience`: seconds that a run waits for each
    service."""

    def __init__(
        self,
        journal: Journal,
        *,
        planner: Planner,
        critic: Critic,
        generator: Generator | Generators,
        at_once: int = 4,
        speculate: bool = False,
        lease_seconds: float = 10.0,
        patience: float = 900.0,
        at_once_per_owner: int | None = None,
        queued_per_owner: int | None = None,
        guards: Guards | None = None,
    ) -> None:
        self.journal = journal
        self._guards = guards or Guards()
        self._planner, self._critic = planner, critic
        self.generators = generator if isinstance(generator, Generators) else Generators(generator)
        self._speculate, self._patience, self._queued_per_owner = speculate, patience, queued_per_owner
        self.replica = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        leases = Leases(journal.engine, self.replica, lease_seconds, per_owner=at_once_per_owner)
        self._claims = Claims(leases, journal.news, self._work, at_once=at_once)

    def open(self) -> None:
        """Begin to work on whatever waits in the journal."""
        self._claims.open()

    async def start(self, request: InterleaveRequest, *, owner: str | None = None) -> str:
        """Write the run into the journal, for the first replica that has room; its id."""
        return (await self.begin(request, owner=owner)).run_id

    async def begin(
        self,
        request: InterleaveRequest,
        *,
        owner: str | None = None,
        events: Sequence[Event] = (),
        hooks: Sequence[Hook] = (),
        key: Key | None = None,
    ) -> Begun:
        """The same with what the run shares with another one (`events`), whom to tell of it, and a key that makes the
        call safe to repeat."""
        most = self._queued_per_owner
        begun = await self.journal.begin(request, owner=owner, events=events, hooks=hooks, key=key, most_waiting=most)
        self.open()
        return begun

    async def wish(self, run_id: str, wishes: Sequence[Event], *, key: Key | None = None) -> Begun:
        """Write what the run's caller wishes into the journal; whoever has room goes on with it where that is to be
        done. Raises NotFound, and Conflict where the run's state does not allow it."""
        begun = await self.journal.wish(run_id, wishes, key=key)
        self.open()
        return begun

    async def cancel(self, run_id: str) -> CancelAnswer:
        """End the run as `canceled`; what it has finished stays readable. On return nothing of it is under way here;
        another replica that works on it stops within a second."""
        try:
            # The end is written first: from here on the journal takes no other event of this run.
            await self._append(run_id, Finished(status=Status.CANCELED), RunMetrics([]))
        except NotFound:
            return "unknown"
        except Conflict:
            return "already_done"
        await self._claims.drop(run_id)
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
        """Stop working, with no word in the journal: other replicas take the runs up at once, or this one at its next
        start."""
        await self._claims.close()

    async def _work(self, claim: Claim) -> None:
        http.run_id.set(claim.run_id)
        http.run_fence.set(claim.fence)
        watching.set(self.journal.news.board.teller(claim.run_id, previews=not self._guards.see_images))
        try:
            http.tenant.set(await self.journal.owner(claim.run_id))
            past = await self.journal.events(claim.run_id)
            name, drawer = self.generators.named(fold(past).request.generator)
            async with Hints(drawer) as generator:
                await self._make(claim, past, generator, name)
        except (LeaseLost, JournalAway) as error:
            log.warning("run dropped; whoever can takes it up from what is recorded", reason=error.detail)
        except Exception as error:  # its record cannot be read: it would be taken up again and again, to no end
            end = Finished(status=Status.FAILED, problem=_problem(error))
            await self._append(claim.run_id, end, RunMetrics([]), claim.fence)

    async def _make(self, claim: Claim, past: list[Recorded], generator: Generator, name: str) -> None:
        now, said = round_of(past), [recorded.event for recorded in past]
        elapsed = _clock(claim, past)
        limit = now.request.budget.max_seconds
        metrics = RunMetrics(said, _asked(past))
        waited = "generator" if name == self.generators.default_name else f"generator {name}"

        def patience(service: str) -> Patience:
            return Patience(service, self._patience, lambda: None if limit is None else limit - elapsed())

        async def record(event: Event) -> None:
            await self._append(claim.run_id, event, metrics, claim.fence)

        replay = Replay(
            now.past,
            planner=PatientPlanner(
                self._guards.planner(self._planner, record, said, now.request.references), patience("planner")
            ),
            generator=self._guards.counted(
                PatientGenerator(self._guards.generator(generator, record, said), patience(waited))
            ),
            critic=PatientCritic(self._critic, patience("critic")),
            record=record,
            replan=not now.ground.wished_only,
        )
        try:
            await record(Started())
            if now.request.review_plan and not now.approved:
                await write_plan(now.request, replay.planner, replay.record)
                await record(PlanAwaited())
                return
            await interleave(
                now.request,
                planner=replay.planner,
                generator=replay.generator,
                critic=replay.critic,
                record=replay.record,
                elapsed=lambda: 0.0 if replay.generator.recorded else elapsed(),
                ground=now.ground,
                speculate=self._speculate,
            )
            end = _done(await self.journal.document(claim.run_id), now)
        except (LeaseLost, JournalAway):
            raise
        except Exception as error:
            end = _end(await self.journal.document(claim.run_id), error)
        try:
            await record(end)
        except LeaseLost:
            raise
        except Conflict:
            log.info("run was ended elsewhere")

    async def _append(self, run_id: str, event: Event, metrics: RunMetrics, fence: int | None = None) -> None:
        recorded = await self.journal.append(run_id, event, fence=fence)
        metrics.observe(event, recorded.at)


def _asked(past: list[Recorded]) -> datetime:
    """When the run, or its last round, was asked for."""
    return next(each.at for each in reversed(past) if isinstance(each.event, (Created, *BEGINS_ROUND)))


def _clock(claim: Claim, past: list[Recorded]) -> Callable[[], float]:
    """Seconds since the run was first taken up, or first since its caller last let it go on; by the database's clock up
    to the claim, so that replicas need not agree on the time."""
    began = claim.now
    for recorded in reversed(past):
        if isinstance(recorded.event, Started):
            began = recorded.at
        elif isinstance(recorded.event, BEGINS_ROUND):
            break
    before, claimed = (claim.now - began).total_seconds(), time.monotonic()
    return lambda: before + time.monotonic() - claimed


def _done(document: Document, now: Round) -> Finished:
    """The end of a round that did what it was asked to; what it was not asked for may be undrawn still."""
    planned = any(isinstance(event, Planned) for event in now.past)
    if now.ground.wished_only and not (planned and all(step.finished for step in document.steps)):
        return Finished(status=Status.PARTIAL, problem=now.problem)
    return Finished(status=Status.SUCCEEDED)


def _end(document: Document, error: Exception) -> Finished:
    """What the error makes of the run. A limit that the caller set is no failure, even before the first step."""
    stands = isinstance(error, BudgetSpent) or any(step.finished for step in document.steps)
    return Finished(status=Status.PARTIAL if stands else Status.FAILED, problem=_problem(error))


def _problem(error: Exception) -> Problem:
    if isinstance(error, InterleaveError):
        raw = error.raw if isinstance(error, Malformed) else None
        return Problem(code=error.code, detail=error.detail, retryable=error.retryable, raw=raw)
    log.error("unexpected error in a run", exc_info=error)
    return Problem(code=InterleaveError.code, detail="an unexpected error; the orchestrator's log has it by run id")
