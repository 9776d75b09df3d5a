"""What a replica does with a run that it has claimed: take it up from what is recorded, and bring it to its end.

Here the ports get what stands in front of them (replay, patience, guards), and an error becomes the end of the run:
`partial` where finished steps stand, else `failed`, with the problem in words. Deliberately not here: the algorithm
(`loop`), which replica works on a run (`claims`), and what callers ask of it (`runs`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Set
from datetime import datetime

import structlog

from interleavethinker import http
from interleavethinker.document import fold
from interleavethinker.errors import Conflict
from interleavethinker.events import Created, Event, Finished, PlanAwaited, Recorded, Started, Status
from interleavethinker.ports import Critic, Planner, watching
from services.orchestrator.acceptance import Acceptance
from services.orchestrator.endings import ReplicasLost, cut_short, done, problem_of
from services.orchestrator.foresight import Foresight
from services.orchestrator.generators import Generators
from services.orchestrator.hints import Hints
from services.orchestrator.journal import Journal, LeaseLost
from services.orchestrator.leases import Claim
from services.orchestrator.loop import interleave
from services.orchestrator.metrics import RunMetrics
from services.orchestrator.patience import Patience, PatientCritic, PatientGenerator, PatientPlanner
from services.orchestrator.reach import Reach
from services.orchestrator.reaching import JournalAway
from services.orchestrator.replay import Replay
from services.orchestrator.rounds import BEGINS_ROUND, round_of
from services.orchestrator.screening import Guards
from services.orchestrator.thoughts import AskedFor
from services.orchestrator.to_the_end import to_the_end
from services.orchestrator.traced import RoundSpans, tell_end, working
from services.orchestrator.writing import Record, write_plan

log = structlog.get_logger(__name__)

AWAY_SECONDS = 0.5
"""How long a run is held that could not be written to, before anyone takes it up again."""

Ended = Callable[[str, Set[int]], None]


class Making:
    """Called with each claim. `patience`: seconds that a run waits for each service. `max_losses`: so many replicas in
    a row may fall silent over a run before it is given up. `ended` is told of each run that has ended, and which drawn
    steps were settled in it; it must not keep it waiting."""

    def __init__(
        self,
        journal: Journal,
        *,
        planner: Planner,
        critic: Critic,
        generators: Generators,
        guards: Guards,
        reach: Reach,
        patience: float,
        max_losses: int,
        ended: Ended = lambda _, __: None,
    ) -> None:
        self._journal, self._guards, self._ended = journal, guards, ended
        self._planner, self._critic, self._generators = planner, critic, generators
        self._reach = reach._replace(depth=min(reach.depth, 1), judging=0) if guards.see_images else reach
        self._acceptance, self._asked_for = {name: Acceptance() for name in generators.names}, AskedFor()
        self._patience, self._max_losses = patience, max_losses

    async def __call__(self, claim: Claim) -> None:
        http.run_id.set(claim.run_id)
        http.run_fence.set(claim.fence)
        watching.set(self._journal.news.board.teller(claim.run_id, previews=not self._guards.see_images))
        try:
            http.tenant.set(await self._journal.owner(claim.run_id))
            if claim.losses >= self._max_losses:
                lost = ReplicasLost(claim.losses)
                log.error("run given up", run_id=claim.run_id, reason=lost.detail)
                end = cut_short(lost, stands=await self._journal.stands(claim.run_id))
                return await self._append(claim.run_id, end, RunMetrics([]), claim.fence)
            past = await self._journal.events(claim.run_id)
            name, drawer = self._generators.named(fold(past).request.generator)
            with working(claim, past) as spans:
                async with Hints(drawer) as hints:
                    await self._make(claim, past, hints, name, spans)
        except (LeaseLost, JournalAway) as error:
            log.warning("run dropped; whoever can takes it up from what is recorded", reason=error.detail)
            if isinstance(error, JournalAway):  # a full disk can be claimed on and not be written to, again and again
                await asyncio.sleep(AWAY_SECONDS)
        except Exception as error:  # its record cannot be read: it would be taken up again and again, to no end
            end = Finished(status=Status.FAILED, problem=problem_of(error))
            await self._append(claim.run_id, end, RunMetrics([]), claim.fence)

    async def _make(self, claim: Claim, past: list[Recorded], hints: Hints, name: str, spans: RoundSpans) -> None:
        now, said = round_of(past), [recorded.event for recorded in past]
        elapsed = _clock(claim, past)
        limit = now.request.budget.max_seconds
        metrics = RunMetrics(said, _asked(past))
        waited = "generator" if name == self._generators.default_name else f"generator {name}"

        def patience(service: str) -> Patience:
            return Patience(service, self._patience, lambda: None if limit is None else limit - elapsed())

        async def record(event: Event) -> None:
            await self._append(claim.run_id, event, metrics, claim.fence)
            spans.saw(event)

        generator = self._guards.generator(hints, record, said)
        foresight = Foresight(
            now.request,
            now.ground,
            self._reach,
            generator=generator,
            hints=hints,
            critic=self._critic,
            acceptance=self._acceptance.get(name) or Acceptance(),
            asked_for=self._asked_for,
            live=lambda: not replay.generator.recorded,
        )
        replay = Replay(
            now.past,
            planner=spans.planner(
                PatientPlanner(
                    self._guards.planner(self._planner, record, said, now.request.references), patience("planner")
                )
            ),
            generator=spans.generator(self._guards.counted(PatientGenerator(generator, patience(waited)))),
            critic=spans.critic(PatientCritic(foresight, patience("critic"))),
            record=record,
            replan=not now.ground.wished_only,
            written=now.written,
        )
        try:
            await record(Started())
            if now.request.review_plan and not now.approved:
                await write_plan(now.request, replay.planner, replay.record)
                await record(PlanAwaited())
                tell_end(claim.run_id, past, PlanAwaited())
                return
            async with foresight:
                await interleave(
                    now.request,
                    planner=replay.planner,
                    generator=replay.generator,
                    critic=replay.critic,
                    record=replay.record,
                    elapsed=lambda: 0.0 if replay.generator.recorded else elapsed(),
                    ground=now.ground,
                    ahead=foresight,
                )
            end = done(await self._journal.document(claim.run_id), now)
        except (LeaseLost, JournalAway):
            raise
        except Exception as error:
            document = await self._journal.document(claim.run_id)
            end = cut_short(error, stands=any(step.finished for step in document.steps))
        # Once its end is written the run is seen to have ended and dropped, perhaps more than once before this task
        # goes on; it is counted and told all the same.
        await to_the_end(self._end(claim, past, end, record))

    async def _end(self, claim: Claim, past: list[Recorded], end: Finished, record: Record) -> None:
        try:
            await record(end)
            tell_end(claim.run_id, past, end)
        except LeaseLost:
            raise
        except Conflict:
            log.info("run was ended elsewhere")

    async def _append(self, run_id: str, event: Event, metrics: RunMetrics, fence: int | None = None) -> None:
        recorded = await self._journal.append(run_id, event, fence=fence)
        metrics.observe(event, recorded.at)
        if isinstance(event, Finished):
            self._ended(run_id, metrics.settled)


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
