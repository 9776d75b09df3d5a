"""The exact judge's scores, by hand, and the port's refusals."""

from __future__ import annotations

import numpy as np
import pytest

from interleavethinker.errors import BadRequest
from interleavethinker.types import Critique, Outcome
from smallworld.critique import rewordings
from smallworld.paint import paint
from smallworld.scene import Scene, Thing
from training.batched import MemoryBlobs, stored
from training.exact_critic import ExactCritic
from training.judge import ExactJudge, Scores, exact_scores

BALL, HAT, CUP = Thing("red", "ball"), Thing("blue", "hat"), Thing("green", "cup")
BEFORE = Scene("snow", {"b3": BALL})
ADD = "at b2 add a blue hat"


def shown(**cells: Thing | None) -> np.ndarray:
    return paint(BEFORE.replace(**cells))


@pytest.mark.parametrize(
    ("after", "semantics", "success"),
    [
        (shown(b2=HAT), 10.0, True),
        (shown(), 0.0, False),  # the one change asked for is missing
        (shown(a1=HAT), 0.0, False),  # it is elsewhere, and a1 is broken
        (shown(b2=HAT, a1=CUP), 7.5, False),  # one cell that should have stayed is broken
        (shown(b2=HAT, a1=CUP, b3=None), 5.0, False),
        (paint(Scene("night", {"b3": BALL, "b2": HAT})), 7.5, False),  # the setting is one such part
    ],
)
def test_semantics_is_the_lesser_of_done_and_untouched(after, semantics, success):
    assert exact_scores(ADD, paint(BEFORE), after) == Scores(semantics=semantics, quality=10.0, success=success)


def test_a_first_picture_counts_each_thing_and_the_setting():
    prompt = "a snow scene with a red ball at b3 and a blue hat at b2"
    assert exact_scores(prompt, None, shown(b2=HAT)).semantics == 10.0
    assert exact_scores(prompt, None, shown()).semantics == pytest.approx(6.67)  # two of three parts


def test_a_smudge_costs_quality_and_the_success():
    after = shown(b2=HAT).astype(np.float32)
    after[:32, :32] = (after[:32, :32] + paint(Scene("night", {"a1": CUP}))[:32, :32]) / 2
    scores = exact_scores(ADD, paint(BEFORE), after.astype(np.uint8))
    assert scores.quality == 7.5
    assert not scores.success
    assert scores.overall == pytest.approx((scores.semantics * 7.5) ** 0.5)


@pytest.mark.parametrize("prompt", ["a poem about a hat", "remove the green cup"])
def test_what_is_no_step_of_this_world_is_refused(prompt):
    with pytest.raises(BadRequest, match="small world only"):
        exact_scores(prompt, paint(BEFORE), shown())


async def test_ports_read_pictures_by_name():
    import random

    blobs = MemoryBlobs()
    critique = Critique(
        prompt=ADD, last_prompt=ADD, before=await stored(blobs, paint(BEFORE)), after=await stored(blobs, shown(a1=HAT))
    )
    assert not (await ExactJudge(blobs).score(critique)).success
    oracle = (await ExactCritic(blobs).judge(critique)).verdict
    assert (oracle.outcome, oracle.refined_prompt) == (Outcome.REVISE, "add a blue hat at b2")
    taught = {
        (await ExactCritic(blobs, rewordings(random.Random(i))).judge(critique)).verdict.refined_prompt
        for i in range(40)
    }
    assert len(taught) > 6
    assert ADD not in taught
