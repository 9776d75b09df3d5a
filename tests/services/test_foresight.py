"""Work ahead of the loop: the same document as without it, nothing left of it at the end, and no budget overdrawn."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.document import Document, fold
from interleavethinker.errors import Unavailable
from interleavethinker.events import Created, Drawn, Event, Judged, Recorded, StepFinished
from interleavethinker.ports import Judgement
from interleavethinker.types import Brief, Budget, Critique, Drawing, ImageJob, InterleaveRequest, Outcome, Verdict
from services.orchestrator.acceptance import PRIOR, Acceptance
from services.orchestrator.reach import Reach
from services.orchestrator.rules import Attempt, BudgetSpent, next_prompt
from tests.ahead import ahead_of
from tests.fake_generator import FakeGenerator
from tests.fakes import ACCEPT, FakePlanner, revise, steps_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASK = InterleaveRequest(brief=Brief(prompt="a story"), seed=5, max_attempts=4)
DEEP = Reach(depth=4, worth=0.0, side_by_side=4, judging=8)


class Opinionated:
    """A critic whose verdict is decided by what it sees, as a model's is, whenever it is asked."""

    def __init__(self, acceptance: float, pause: float = 0.0) -> None:
        self.acceptance, self.pause = acceptance, pause
        self.judged: list[str] = []
        self.thinking = self.most = 0

    async def judge(self, critique: Critique) -> Judgement:
        self.thinking += 1
        self.most = max(self.most, self.thinking)
        try:
            await asyncio.sleep(self.pause)
        finally:
            self.thinking -= 1
        self.judged.append(critique.content_digest)  # what was withdrawn with its picture may come again
        luck = [each / 255 for each in hashlib.sha256(critique.content_digest.encode()).digest()]
        if luck[0] < self.acceptance:
            return Judgement(Verdict(outcome=Outcome.ACCEPT, confidence=luck[1]))
        if luck[2] < 0.1:
            return Judgement(Verdict(outcome=Outcome.ABSTAIN))
        return Judgement(revise(f"{critique.prompt} better {critique.after.digest[:4]}", luck[1]))


class Quick(FakeGenerator):
    """Counts what it is asked for."""

    step_seconds = 0.0

    def __init__(self, path: Path) -> None:
        super().__init__(DirectoryBlobs(path))
        self.asked: list[str] = []
        self.hints: list[ImageJob] = []

    async def draw(self, job: ImageJob) -> Drawing:
        self.asked.append(job.id)
        return await super().draw(job)

    async def foresee(self, job: ImageJob) -> None:
        self.hints.append(job)
        await super().foresee(job)

    @property
    def under_way(self) -> int:
        return sum(not task.done() for task in self._under_way.values())


class World:
    def __init__(self, path: Path, prompts: Sequence[str | None], acceptance: float, pause: float = 0.0) -> None:
        self.generator, self.critic = Quick(path), Opinionated(acceptance, pause)
        self.planner = FakePlanner(steps_of(*prompts), pause=pause / 3)

    async def run(
        self, request: InterleaveRequest, reach: Reach = Reach(), past: Sequence[Event] = ()
    ) -> tuple[list[Event], bool]:
        events = list(past)

        async def record(event: Event) -> None:
            await asyncio.sleep(0)
            events.append(event)

        ports = {"planner": self.planner, "generator": self.generator, "critic": self.critic}
        spent = False
        try:
            await ahead_of(request, reach, ports, record, past=past)
        except BudgetSpent:
            spent = True
        return events, spent


def document(request: InterleaveRequest, events: Sequence[Event]) -> Document:
    told = enumerate([Created(request=request), *events], 1)
    return fold([Recorded(run_id="run", seq=seq, at=NOW, event=event) for seq, event in told])


def drawing_order(events: Sequence[Event]) -> list[str]:
    ours = [event for event in events if isinstance(event, Drawn | Judged | StepFinished)]
    return [
        event.model_copy(update={"seconds": 0.0} if isinstance(event, Judged) else {}).canonical() for event in ours
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompts=st.lists(st.none() | st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5),
    acceptance=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    reach=st.builds(
        Reach,
        st.integers(0, 4),
        st.sampled_from([0.0, 0.3, 0.8]),
        st.sampled_from([0, 1, 3]),
        st.sampled_from([0, 2, 8]),
    ),
    critic=st.sampled_from(["off", "quick", "strict"]),
    max_draws=st.none() | st.integers(1, 6),
    independent=st.booleans(),
    anchor=st.sampled_from([None, 1, 2]),
    candidates=st.sampled_from([1, 2, 3]),
    pause=st.sampled_from([0.0, 0.002]),
)
async def test_the_document_is_that_of_the_plain_loop(
    tmp_path: Path, prompts, acceptance, reach, critic, max_draws, independent, anchor, candidates, pause
):
    request = ASK.model_validate(
        ASK.model_dump()
        | {"critic": critic, "budget": {"max_draws": max_draws}}
        | {"independent_steps": independent, "candidates": candidates}
        | {"anchor": None if independent else anchor}
    )
    plain, plainly_spent = await World(tmp_path, prompts, acceptance).run(request)
    world = World(tmp_path, prompts, acceptance, pause)
    events, spent = await world.run(request, reach)
    assert drawing_order(events) == drawing_order(plain) and spent == plainly_spent
    assert document(request, events).digest == document(request, plain).digest
    drawn = [event for event in events if isinstance(event, Drawn)]
    assert max_draws is None or len(drawn) <= max_draws
    assert world.generator.asked == [event.job.id for event in drawn], "a hint was asked for as if it were an attempt"
    assert world.generator.under_way == 0 and world.critic.thinking == 0, "work ahead outlived the run"
    assert len(world.critic.judged) == len(set(world.critic.judged)), "something was judged twice"


@pytest.mark.parametrize(
    "request_", [{"candidates": 3}, {"independent_steps": True}, {"anchor": 1}, {"anchor": 2, "candidates": 2}, {}]
)
async def test_a_run_cut_anywhere_goes_on_as_if_nothing_had_happened(tmp_path: Path, request_: dict):
    request = ASK.model_copy(update=request_)
    whole, _ = await World(tmp_path, ["a", "b", None, "c"], 0.4, 0.001).run(request, DEEP)
    for cut in range(len(whole) + 1):
        resumed, _ = await World(tmp_path, ["a", "b", None, "c"], 0.4, 0.001).run(request, DEEP, whole[:cut])
        assert drawing_order(resumed) == drawing_order(whole), cut
        assert document(request, resumed).digest == document(request, whole).digest


async def test_guesses_hang_on_guesses_and_are_judged_before_their_turn(tmp_path: Path):
    world = World(tmp_path, ["a", "b", "c", "d"], 1.0, 0.05)
    events, _ = await world.run(ASK, DEEP)
    assert world.critic.most >= 2
    assert world.generator.asked == [event.job.id for event in events if isinstance(event, Drawn)]
    assert len(world.generator.hints) == 3, "all of them were used"


@pytest.mark.parametrize("anchor", [1, 2])
@pytest.mark.parametrize("acceptance", [0.4, 1.0])
async def test_with_an_anchor_all_that_is_done_ahead_is_what_the_plain_loop_does(
    tmp_path: Path, anchor: int, acceptance: float
):
    prompts = ["a", "b", None, "c", "d", "e"]
    request = ASK.model_copy(update={"anchor": anchor})
    plain, _ = await World(tmp_path, prompts, acceptance).run(request)
    world = World(tmp_path, prompts, acceptance, 0.03)
    events, _ = await world.run(request, DEEP)
    assert drawing_order(events) == drawing_order(plain)
    drawn = [event.job for event in events if isinstance(event, Drawn)]
    kept = {entry.step.index: entry.image for entry in document(request, events).steps}
    assert sum(len(job.references) == 2 and job.references[1] == kept[anchor] for job in drawn) >= 3 - (anchor - 1)
    assert len({job.id for job in world.generator.hints} & {job.id for job in drawn}) >= 2, "hints with it were used"
    if acceptance == 1.0:
        assert {job.id for job in world.generator.hints} <= {job.id for job in drawn}, "a hint had another anchor"


async def test_a_guess_that_is_hardly_ever_asked_for_is_not_made(tmp_path: Path):
    world = World(tmp_path, ["a", "b", "c", "d"], 1.0, 0.01)
    await world.run(ASK, Reach(depth=4, worth=0.9))
    assert world.generator.hints == []


async def test_independent_steps_are_drawn_and_judged_side_by_side(tmp_path: Path):
    world = World(tmp_path, ["a", "b", "c", "d"], 1.0, 0.05)
    request = ASK.model_copy(update={"independent_steps": True})
    world.planner.pause = 0.0
    events, _ = await world.run(request, Reach(side_by_side=4, judging=8))
    assert world.critic.most == 4
    assert all(event.job.references == () for event in events if isinstance(event, Drawn))
    entries = document(request, events).steps
    assert not any(entry.stale for entry in entries)


async def test_no_more_independent_steps_at_a_time_than_allowed(tmp_path: Path):
    world = World(tmp_path, list("abcdefgh"), 1.0, 0.03)
    request = ASK.model_copy(update={"independent_steps": True})
    await world.run(request, Reach(side_by_side=2, judging=8))
    assert 2 <= world.critic.most <= 3  # two, and the loop's own


async def test_the_surest_accepted_candidate_is_kept(tmp_path: Path):
    accepts = [Verdict(outcome=Outcome.ACCEPT, confidence=sure) for sure in (0.6, 0.9, 0.7)]
    verdicts = iter([revise("better"), *accepts])

    class Scripted(Opinionated):
        async def judge(self, critique: Critique) -> Judgement:
            return Judgement(next(verdicts))

    world = World(tmp_path, ["a"], 1.0)
    world.critic = Scripted(1.0)
    events, _ = await world.run(ASK.model_copy(update={"candidates": 3}))
    drawn = [event for event in events if isinstance(event, Drawn)]
    assert [event.job.prompt for event in drawn] == ["a", "better", "better", "better"]
    assert len({event.job.seed for event in drawn}) == 4
    assert [(event.kept, event.accepted) for event in events if isinstance(event, StepFinished)] == [(3, True)]


async def test_candidates_are_drawn_side_by_side_and_counted(tmp_path: Path):
    world = World(tmp_path, ["a"], 0.0, 0.02)
    request = ASK.model_copy(update={"candidates": 3, "budget": Budget(max_draws=3)})
    events, spent = await world.run(request, Reach(side_by_side=4, judging=8))
    assert spent and len([event for event in events if isinstance(event, Drawn)]) == 3
    assert len(world.generator.hints) == 1, "the third is drawn beside the second; a fourth is beyond the budget"


async def test_a_canceled_run_leaves_nothing_behind(tmp_path: Path):
    world = World(tmp_path, list("abcdef"), 0.8, 0.05)
    task = asyncio.create_task(world.run(ASK, DEEP))
    await asyncio.sleep(0.12)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert world.generator.under_way == 0 and world.critic.thinking == 0


async def test_a_critic_that_is_away_ahead_of_its_turn_is_asked_again_in_its_turn(tmp_path: Path):
    class Away(Opinionated):
        was = False

        async def judge(self, critique: Critique) -> Judgement:
            if self.thinking and not self.was:  # the loop waits for the first step's: this is the second one's, ahead
                self.was = True
                raise Unavailable("away")
            return await super().judge(critique)

    world = World(tmp_path, ["a", "b"], 1.0, 0.02)
    world.critic = critic = Away(1.0, 0.1)
    events, _ = await world.run(ASK, DEEP)
    assert critic.was
    assert len([event for event in events if isinstance(event, StepFinished)]) == 2


def test_groups_of_candidates():
    def attempt(number: int, prompt: str, accepted: bool | None, sure: float = 0.5) -> Attempt:
        verdict = ACCEPT if accepted else revise(f"{prompt}+", sure)
        return Attempt(number, prompt, None, verdict, accepted)  # type: ignore[arg-type]

    first = attempt(1, "a", False)
    assert next_prompt([first], 2) == "a+"
    assert next_prompt([first, attempt(2, "a+", True)], 2) == "a+", "the group is drawn to its end"
    assert next_prompt([first, attempt(2, "a+", True), attempt(3, "a+", False)], 2) is None
    refused = [first, attempt(2, "a+", False, 0.6), attempt(3, "x", False, 0.9)]
    assert next_prompt(refused, 2) == "a++", "the one it doubts least leads on"
    assert next_prompt([attempt(1, "a", None)], 2) is None


def test_acceptance_has_a_prior_and_forgets():
    house = Acceptance()
    assert house.rate == PRIOR
    run = Acceptance(house)
    for _ in range(500):
        run.observe(False)
    assert run.rate < 0.05 and house.rate < 0.05
    for _ in range(64):
        house.observe(True)
    assert house.rate > 0.55
    assert Acceptance(house).rate == house.rate
