"""The loop's rules, one test each, with fakes at its doors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.codec.images import blank
from interleavethinker.errors import DrawFailed, Malformed
from interleavethinker.events import Drawn, Event, Judged, Planned, StepFinished, StepPlanned
from interleavethinker.ports import put_image
from interleavethinker.types import (
    Brief,
    Budget,
    CriticMode,
    ImageJob,
    InterleaveRequest,
    Outcome,
    Size,
    Verdict,
)
from services.orchestrator.loop import interleave
from services.orchestrator.reach import Reach
from services.orchestrator.rules import BudgetSpent, attempt_seed
from tests.ahead import ahead_of
from tests.fakes import ABSTAIN, ACCEPT, UNSURE, FakeCritic, FakeGenerator, FakePlanner, revise, steps_of

ASK = InterleaveRequest(brief=Brief(prompt="how to draw a snowman"), seed=3)


class Trial:
    """One run of the loop over fakes, and what it said."""

    def __init__(self, blobs: DirectoryBlobs, *prompts: str | None, verdicts: Any = (), **fakes: Any) -> None:
        self.releases: dict[type, asyncio.Event] = fakes.pop("releases", {})
        self.planner = fakes.pop("planner", None) or FakePlanner(steps_of(*prompts))
        self.critic = FakeCritic(verdicts)
        self.generator = FakeGenerator(blobs, **fakes)
        self.events: list[Event] = []

    async def run(
        self, request: InterleaveRequest = ASK, *, elapsed: Callable[[], float] = lambda: 0.0, **how: Any
    ) -> list[Event]:
        async def record(event: Event) -> None:
            self.events.append(event)
            if type(event) in self.releases:
                self.releases[type(event)].set()

        ports = {"planner": self.planner, "critic": self.critic, "generator": self.generator}
        if how.pop("speculate", False):
            await ahead_of(request, Reach(depth=1, worth=0.0), ports, record, elapsed=elapsed)
        else:
            await interleave(request, **ports, record=record, elapsed=elapsed, **how)
        return self.events

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def kept(self) -> list[tuple[int, int | None, bool | None]]:
        return [(event.step, event.kept, event.accepted) for event in self.of(StepFinished)]


def asking(**changes: Any) -> InterleaveRequest:
    return InterleaveRequest.model_validate(ASK.model_dump() | changes)


async def test_each_step_is_drawn_judged_and_kept(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a hill", "add a snowman")
    await trial.run()
    assert trial.kept == [(1, 1, True), (2, 1, True)]
    assert trial.of(Planned)[0].plan.steps == steps_of("a hill", "add a snowman")
    assert [type(event) for event in trial.events if not isinstance(event, StepPlanned | Planned)] == [
        Drawn, Judged, StepFinished, Drawn, Judged, StepFinished,
    ]  # fmt: skip


async def test_step_one_is_text_to_image_and_each_canvas_is_the_step_before(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a hill", "add a snowman", "add a hat")
    await trial.run()
    first, second, third = trial.of(Drawn)
    assert first.job.references == ()
    assert second.job.references == (first.drawing.image,)
    assert third.job.references == (second.drawing.image,)
    assert [critique.before for critique in trial.critic.asked] == [None, first.drawing.image, second.drawing.image]


async def test_the_last_input_image_is_the_first_canvas(blobs: DirectoryBlobs):
    trial = Trial(blobs, "add a hat")
    jobs = [ImageJob(prompt=prompt, seed=0) for prompt in ("a hill", "a snowman")]
    given = tuple([(await trial.generator.draw(job)).image for job in jobs])
    await trial.run(asking(brief=Brief(prompt="go on", images=given)))
    assert trial.of(Drawn)[0].job.references == (given[1],)
    assert trial.critic.asked[0].before == given[1]


async def test_a_redraw_starts_before_the_step_from_the_refined_prompt(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a hill", "add a hat", verdicts=[ACCEPT, revise("add a red hat"), revise("one red hat")])
    await trial.run()
    hill, *hats = trial.of(Drawn)
    assert [hat.job.prompt for hat in hats] == ["add a hat", "add a red hat", "one red hat"]
    assert {hat.job.references for hat in hats} == {(hill.drawing.image,)}
    assert [(c.prompt, c.last_prompt) for c in trial.critic.asked[1:]] == [
        ("add a hat", "add a hat"), ("add a hat", "add a red hat"), ("add a hat", "one red hat"),
    ]  # fmt: skip
    assert trial.kept == [(1, 1, True), (2, 3, True)]


async def test_each_attempt_has_a_seed_of_its_own(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", "b", verdicts=[revise("a")] * 3 + [ACCEPT] + [revise("b")] * 2)
    await trial.run()
    seeds = [drawn.job.seed for drawn in trial.of(Drawn)]
    assert seeds == [
        attempt_seed(3, step, number) for step, number in [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (2, 3)]
    ]
    assert len(set(seeds)) == len(seeds)


def test_seeds_are_the_same_on_every_machine():
    """`printf 0/1/1 | sha256sum` begins with 2197ee84."""
    assert [attempt_seed(0, 1, 1), attempt_seed(7, 2, 3)] == [0x2197EE84, 0xF8E3AE58]


async def test_attempts_spent_keep_the_one_the_critic_doubts_least(blobs: DirectoryBlobs):
    verdicts = [revise("b", 0.9), revise("c", 0.6), revise("d", 0.7)]
    trial = Trial(blobs, "a", "next", verdicts=verdicts)
    await trial.run(asking(max_attempts=3))
    assert trial.kept == [(1, 2, False), (2, 1, True)]
    drawn = trial.of(Drawn)
    assert drawn[3].job.references == (drawn[1].drawing.image,)


async def test_at_equal_doubt_the_later_attempt_is_kept(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", verdicts=[revise("b", None), revise("c", None)])
    await trial.run(asking(max_attempts=2))
    assert trial.kept == [(1, 2, False)]


async def test_a_step_without_a_prompt_draws_nothing(blobs: DirectoryBlobs):
    trial = Trial(blobs, None, "a hill", None, "a hat")
    await trial.run()
    assert trial.kept == [(1, None, None), (2, 1, True), (3, None, None), (4, 1, True)]
    hill, hat = trial.of(Drawn)
    assert hat.job.references == (hill.drawing.image,)


async def test_without_a_critic_every_first_attempt_stands(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", "b", verdicts=[revise("c")] * 5)
    await trial.run(asking(critic="off"))
    assert trial.kept == [(1, 1, None), (2, 1, None)]
    assert trial.critic.asked == []


async def test_an_abstention_keeps_the_attempt_unjudged(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", verdicts=[revise("b"), ABSTAIN])
    await trial.run()
    assert trial.kept == [(1, 2, None)]


async def test_strict_draws_an_unsure_accept_again_at_the_same_prompt(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", verdicts=[UNSURE, UNSURE, ACCEPT])
    await trial.run(asking(critic=CriticMode.STRICT))
    assert trial.kept == [(1, 3, True)]
    assert {drawn.job.prompt for drawn in trial.of(Drawn)} == {"a"}
    assert len({drawn.job.seed for drawn in trial.of(Drawn)}) == 3


async def test_strict_keeps_the_surest_when_none_was_sure(blobs: DirectoryBlobs):
    better = Verdict(outcome=Outcome.ACCEPT, confidence=0.85)
    trial = Trial(blobs, "a", verdicts=[UNSURE, better, revise("b")])
    await trial.run(asking(critic="strict", max_attempts=3))
    assert trial.kept == [(1, 2, False)]


async def test_strict_takes_a_critic_without_confidence_at_its_word(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", verdicts=[Verdict(outcome=Outcome.ACCEPT)])
    await trial.run(asking(critic="strict"))
    assert trial.kept == [(1, 1, True)]


async def test_the_budget_of_draws_ends_the_run_after_its_finished_prefix(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", "b", "c")
    with pytest.raises(BudgetSpent, match="max_draws = 2"):
        await trial.run(asking(budget=Budget(max_draws=2)))
    assert trial.kept == [(1, 1, True), (2, 1, True)]


async def test_a_budget_spent_within_a_step_keeps_its_best_attempt(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", "b", verdicts=[ACCEPT, revise("b2", 0.6), revise("b3", 0.9)])
    with pytest.raises(BudgetSpent):
        await trial.run(asking(budget=Budget(max_draws=3)))
    assert trial.kept == [(1, 1, True), (2, 1, False)]


async def test_a_last_step_without_a_picture_needs_no_budget(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", None)
    await trial.run(asking(budget=Budget(max_draws=1)))
    assert trial.kept == [(1, 1, True), (2, None, None)]


async def test_the_budget_of_seconds_is_looked_at_before_each_draw(blobs: DirectoryBlobs):
    clock = iter([0.0, 5.0, 11.0])
    trial = Trial(blobs, "a", "b", "c")
    with pytest.raises(BudgetSpent, match="max_seconds = 10"):
        await trial.run(asking(budget=Budget(max_seconds=10)), elapsed=lambda: next(clock))
    assert len(trial.of(Drawn)) == 2


async def test_step_one_is_drawn_while_the_plan_is_still_being_written(blobs: DirectoryBlobs):
    """The planner does not end its plan before the first drawing: a loop that waited for the whole plan would hang."""
    drawn = asyncio.Event()
    trial = Trial(blobs, planner=FakePlanner(steps_of("a", "b", "c"), gate=drawn), releases={Drawn: drawn})
    await asyncio.wait_for(trial.run(), 60)
    assert trial.kept == [(1, 1, True), (2, 1, True), (3, 1, True)]


async def test_the_plan_goes_on_while_a_step_is_drawn(blobs: DirectoryBlobs):
    """The generator draws nothing before the plan is whole: a loop that read on only between drawings would hang."""
    planned = asyncio.Event()
    trial = Trial(blobs, "a", "b", "c", gate=planned, releases={Planned: planned})
    await asyncio.wait_for(trial.run(), 60)
    assert trial.kept == [(1, 1, True), (2, 1, True), (3, 1, True)]


async def test_a_planner_that_breaks_off_leaves_its_written_steps_drawn(blobs: DirectoryBlobs):
    broken = FakePlanner(steps_of("a", "b", "c"), breaks=Malformed("unreadable", "not a plan", "raw"), breaks_after=2)
    trial = Trial(blobs, planner=broken)
    with pytest.raises(Malformed):
        await trial.run()
    assert trial.kept == [(1, 1, True), (2, 1, True)]
    assert trial.of(Planned) == []


async def test_a_failed_drawing_is_no_attempt(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", "impossible", broken=["impossible"])
    with pytest.raises(DrawFailed):
        await trial.run()
    assert trial.kept == [(1, 1, True)]
    assert len(trial.critic.asked) == 1


async def test_size_and_sampling_reach_the_job(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a")
    await trial.run(asking(size=Size(width=32, height=48), params={"num_inference_steps": 2}))
    job = trial.of(Drawn)[0].job
    assert (job.size, job.params.num_inference_steps) == (Size(width=32, height=48), 2)


async def test_nothing_is_hinted_unless_asked(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", "b")
    await trial.run()
    assert trial.generator.foreseen == []


async def test_a_hint_is_the_next_steps_job_and_is_withdrawn_when_refused(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", "b", None, verdicts=[revise("a2")], pause=0.01)
    await trial.run(speculate=True)
    first, second, third = trial.of(Drawn)
    refused, used = trial.generator.foreseen
    assert trial.generator.forgotten == [refused]
    assert refused.references == (first.drawing.image,)
    assert used == third.job and used.references == (second.drawing.image,)


async def test_a_hint_looks_beyond_steps_that_draw_nothing(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", None, "b", pause=0.01)
    await trial.run(speculate=True)
    assert trial.generator.foreseen == [trial.of(Drawn)[1].job]
    assert trial.generator.forgotten == []


async def test_nothing_is_hinted_that_the_budget_forbids(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a", "b", "c", pause=0.01)
    with pytest.raises(BudgetSpent):
        await trial.run(asking(budget=Budget(max_draws=2)), speculate=True)
    assert trial.generator.foreseen == [trial.of(Drawn)[1].job]


async def test_leaving_stops_the_planner(blobs: DirectoryBlobs):
    trial = Trial(blobs, planner=FakePlanner(steps_of("a", *"bcdefgh"), pause=0.02))
    task = asyncio.create_task(trial.run())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    said = len(trial.planner.said)
    await asyncio.sleep(0.06)
    assert len(trial.planner.said) == said < 8


async def test_an_anchor_is_given_to_the_drawings_after_it(blobs: DirectoryBlobs):
    pinned = await put_image(blobs, blank(8, 8), width=8, height=8)
    trial = Trial(
        blobs, "a hill", "a tree", "a hat", "a bird", verdicts=[ACCEPT, ACCEPT, revise("a red hat"), ACCEPT, ACCEPT]
    )
    await trial.run(asking(anchor=1, references=[pinned.model_dump()]))
    first, second, third, again, fourth = trial.of(Drawn)
    anchor = first.drawing.image
    assert second.job.references == (anchor, pinned)  # it is what is drawn from: given once
    assert third.job.references == again.job.references == (second.drawing.image, anchor, pinned)
    assert fourth.job.references == (again.drawing.image, anchor, pinned)


async def test_a_hint_is_the_job_that_comes_with_an_anchor_too(blobs: DirectoryBlobs):
    trial = Trial(blobs, "a hill", "a tree", "a hat", "a bird", releases={})
    await trial.run(asking(anchor=2), speculate=True)
    jobs = [event.job for event in trial.of(Drawn)]
    assert [len(job.references) for job in jobs] == [0, 1, 1, 2]
    assert trial.generator.foreseen == jobs[1:]
