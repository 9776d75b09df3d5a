"""Documents through the real loop with a painter that understands plain words only: what each row does is known."""

from __future__ import annotations

import asyncio

import pytest

from evaluation.assessed import Assessed, assess, assess_one_picture, nothing, row_numbers
from evaluation.documents import (
    ExactCritic,
    Readings,
    RememberedCritic,
    RememberedGenerator,
    ReseedingCritic,
    run,
)
from interleavethinker.ports import Critic, Judgement
from interleavethinker.types import CriticMode, Critique, ImageRef, Outcome, Plan, Step, Verdict
from smallworld.edits import Add, Move, Paint, Place, apply
from smallworld.prompts import say
from smallworld.recipes import Recipe, RecipeStep
from smallworld.scene import Scene, Thing
from tests.evaluation.painter import PlainPainter
from training.batched import MemoryBlobs
from training.lessons import planned

SUN, BALL = Thing("yellow", "sun"), Thing("red", "ball")


def book(*styles: str) -> Recipe:
    """Three steps, each said in the style given."""
    edits = (Paint(Scene("night", {"a1": SUN})), Add(BALL, Place("b2")), Move(SUN, Place("c3")))
    steps, scene = [], None
    for number, (edit, style) in enumerate(zip(edits, styles, strict=True)):
        scene = apply(edit, scene)
        steps.append(RecipeStep(f"step {number}", f"Do {number}.", edit, scene, say(edit, style)))
    return Recipe("book", "story", "A book, please.", "book", tuple(steps))


class Room:
    """Blobs, painter and judges of one test."""

    def __init__(self) -> None:
        self.blobs = MemoryBlobs()
        self.readings = Readings(self.blobs)
        self.painter = PlainPainter(self.blobs)
        self.exact = ExactCritic(self.readings)

    async def make(
        self, made: Recipe, critic: Critic | None = None, *, plan: Plan | None = None, attempts: int = 5
    ) -> Assessed:
        plan = plan or Plan(steps=planned(made))
        trace = await run(
            made.request,
            plan,
            seed=1,
            attempts=attempts,
            generator=self.painter,
            critic=critic or self.exact,
            mode=CriticMode.QUICK if critic else CriticMode.OFF,
        )
        return await assess(made, plan, trace, self.readings)


@pytest.fixture
def room() -> Room:
    return Room()


async def test_without_a_critic_the_first_attempt_stands(room):
    made = await room.make(book("plain", "ornate", "plain"))
    assert made.images == (True, False, False)  # the ball is missing from the second picture on
    assert made.texts == (True, True, True)
    assert (made.success, made.draws, made.settled, made.verdicts) == (False, 3, 0, ())


async def test_refinement_makes_it_right_with_one_more_drawing(room):
    made = await room.make(book("plain", "ornate", "plain"), room.exact)
    assert made.success
    assert (made.draws, made.settled, made.accepted) == (4, 3, 3)
    assert sorted(made.verdicts) == [(False, False), (True, True), (True, True), (True, True)]


async def test_reseeding_draws_again_from_the_same_words_with_other_seeds(room):
    made = await room.make(book("plain", "ornate", "plain"), ReseedingCritic(room.exact), attempts=3)
    assert not made.success
    assert (made.draws, made.settled, made.accepted) == (5, 3, 2)
    second = room.painter.drawn[1:4]
    assert len({job.prompt for job in second}) == 1
    assert len({job.seed for job in second}) == 3


async def test_reseeding_leaves_an_accept_and_the_reasons_alone():
    class Says:
        def __init__(self, verdict: Verdict) -> None:
            self.verdict = verdict

        async def judge(self, critique: Critique) -> Judgement:
            return Judgement(self.verdict, ("raw",))

    image = ImageRef(digest="0" * 64, width=128, height=128)
    accept = Verdict(outcome=Outcome.ACCEPT, confidence=0.9)
    revise = Verdict(outcome=Outcome.REVISE, refined_prompt="other words", reasoning="why", confidence=0.7)
    critique = Critique(prompt="first", last_prompt="last", after=image)
    assert (await ReseedingCritic(Says(accept)).judge(critique)).verdict == accept
    judged = await ReseedingCritic(Says(revise)).judge(critique)
    assert judged.verdict == revise.model_copy(update={"refined_prompt": "last"})
    assert judged.raw == ("raw",)


async def test_a_plan_with_a_step_too_many_or_too_few_is_no_success(room):
    made = book("plain", "plain", "plain")
    steps = planned(made)
    shorter = await room.make(made, plan=Plan(steps=steps[:2]))
    assert (shorter.success, shorter.images, shorter.texts) == (False, (True, True, False), (True, True, False))
    more = Step(index=4, prompt=say(Move(SUN, Place("d4"))), instruction="Too much.")
    longer = await room.make(made, plan=Plan(steps=(*steps, more)))
    assert (longer.success, longer.images, longer.draws) == (False, (True, True, True), 4)


async def test_a_prompt_that_is_none_is_abstained_from_and_not_counted(room):
    class Empty(PlainPainter):
        async def draw(self, job):
            return await super().draw(job.model_copy(update={"prompt": say(Paint(Scene("snow")))}))

    room.painter = Empty(room.blobs)
    made = book("plain", "plain", "plain")
    made = await room.make(made, room.exact, plan=Plan(steps=(Step(index=1, prompt="a dog on the moon"),)))
    assert (made.draws, made.abstained, made.verdicts, made.accepted, made.settled) == (1, 1, (), 0, 1)


async def test_one_picture_counts_for_the_step_that_it_shows(room):
    made = book("plain", "plain", "plain")
    plan = Plan(steps=(Step(index=1, prompt=say(Paint(made.steps[2].after))),))
    trace = await run(
        made.request, plan, seed=0, attempts=1, generator=room.painter, critic=room.exact, mode=CriticMode.OFF
    )
    alone = await assess_one_picture(made, trace, room.readings)
    assert (alone.images, alone.texts) == ((False, False, True), (False, False, False))
    assert (alone.success, alone.draws) == (False, 1)


async def test_nothing_is_drawn_or_judged_twice_even_at_once(room):
    class Counting:
        asked = 0

        async def judge(self, critique: Critique) -> Judgement:
            Counting.asked += 1
            await asyncio.sleep(0)
            return await room.exact.judge(critique)

    painter, generator, critic = room.painter, RememberedGenerator(room.painter), RememberedCritic(Counting())
    made = book("plain", "plain", "plain")
    arguments = {"seed": 1, "attempts": 5, "generator": generator, "critic": critic, "mode": CriticMode.QUICK}
    await asyncio.gather(*(run(made.request, Plan(steps=planned(made)), **arguments) for _ in range(3)))
    assert (len(painter.drawn), Counting.asked) == (3, 3)


def test_a_rows_numbers_by_hand():
    documents = [
        Assessed((True, True), (True, True), 2, 3, 2, 2, ((True, True), (False, False), (True, True))),
        Assessed((True, False), (True, False), 2, 5, 2, 1, ((True, False), (False, True)), 1),
        nothing(book("plain", "plain", "plain")),
    ]
    numbers = row_numbers(documents, seed=0)
    assert (numbers["document_success"].value, numbers["document_success"].n) == (pytest.approx(1 / 3, abs=1e-4), 3)
    assert (numbers["text"].value, numbers["text"].n) == (pytest.approx(3 / 7, abs=1e-4), 7)
    assert numbers["image"].value == pytest.approx(3 / 7, abs=1e-4)
    assert numbers["score"].value == pytest.approx((3 / 7 + 3 / 7) / 2, abs=1e-4)
    assert numbers["draws_per_document"] == pytest.approx(8 / 3, abs=1e-3)
    assert (numbers["steps_accepted"].value, numbers["steps_accepted"].n) == (0.75, 4)
    assert (numbers["wrong_accepted"].value, numbers["wrong_accepted"].n) == (0.5, 2)
    assert (numbers["right_refused"].value, numbers["right_refused"].n) == (pytest.approx(1 / 3, abs=1e-4), 3)
    assert numbers["abstained"] == 1


def test_a_row_without_a_critic_says_nothing_of_one():
    numbers = row_numbers([Assessed((True,), (True,), 1, 1)], seed=0)
    assert numbers["steps_accepted"] is numbers["wrong_accepted"] is numbers["right_refused"] is None
