"""What `ports.Planner` and `ports.Critic` promise their callers, asked of the fakes that stand in elsewhere."""

from __future__ import annotations

import pytest

from interleavethinker.errors import Malformed
from interleavethinker.ports import Planning
from interleavethinker.types import Brief, Critique, ImageRef, Step
from tests.fakes import ABSTAIN, ACCEPT, FakeCritic, FakePlanner, steps_of

BRIEF = Brief(prompt="a story")
STEPS = steps_of("a", None, "b", "c")


@pytest.mark.parametrize(("max_steps", "length"), [(25, 4), (2, 2)])
async def test_the_steps_come_in_order_then_the_plan_of_just_them(max_steps: int, length: int):
    *steps, end = [part async for part in FakePlanner(STEPS).plan(BRIEF, max_steps=max_steps)]
    assert tuple(steps) == STEPS[:length]
    assert isinstance(end, Planning) and end.plan.steps == STEPS[:length]


async def test_the_same_question_gives_the_same_plan():
    planner = FakePlanner(STEPS)
    first, second = [[part async for part in planner.plan(BRIEF, seed=1)] for _ in range(2)]
    assert first == second


async def test_an_unreadable_plan_is_malformed_and_has_no_end():
    said: list[Step | Planning] = []
    planner = FakePlanner(STEPS, breaks=Malformed("unreadable", "no plan", "raw"), breaks_after=1)
    with pytest.raises(Malformed):
        async for part in planner.plan(BRIEF):
            said.append(part)
    assert [type(part) for part in said] == [Step]


async def test_each_critique_has_its_verdict_and_keeps_it():
    critic, after = FakeCritic([ABSTAIN]), ImageRef(digest="a" * 64, width=16, height=16)
    first, second = (Critique(prompt=prompt, last_prompt=prompt, after=after) for prompt in ("a", "b"))
    assert [(await critic.judge(each)).verdict for each in (first, second, first)] == [ABSTAIN, ACCEPT, ABSTAIN]
