"""The reward's two published variants by hand, and what an answer cannot gain."""

import itertools

import pytest

from interleavethinker.codec import CriticCodec, load_pack
from interleavethinker.errors import BadSettings
from interleavethinker.types import Outcome, Verdict
from training.judge import Scores
from training.rewards import Judged, RewardRecipe, read_verdict, redraw_prompt, reward

ACCEPT = Verdict(outcome=Outcome.ACCEPT)
REVISE = Verdict(outcome=Outcome.REVISE, refined_prompt="a red hat at b4")
PAPER, CODE = RewardRecipe(), RewardRecipe(variant="code")


def scores(semantics: float, quality: float, success: bool = False) -> Scores:
    return Scores(semantics=semantics, quality=quality, success=success)


RIGHT = scores(10, 10, True)
WRONG = scores(2.5, 10)  # overall sqrt(25) = 5
WORSE = scores(0, 10)  # overall 0
LESS_CLEAN = scores(2.5, 2.5)  # overall 2.5


@pytest.mark.parametrize(
    ("judged", "paper", "code"),
    [
        # 0.5 + 0.5 (0.2 * 0 + 0.8 * 0); 0.5 + 0.5 (0.2 * 1 + 0.6 * 0.5 + 0.2 * 0.5)
        (Judged(ACCEPT, RIGHT), 0.5, 0.8),
        # refused though right: nothing is redrawn. 0.5 + 0.5 (-0.2); 0.5 + 0.5 (0 + 0.3 + 0.1)
        (Judged(REVISE, RIGHT), 0.4, 0.7),
        # refused and mended, 5 -> 10: 0.5 + 0.5 (0.8 * 0.5); sem (0.75 + 1) / 2 = 0.875, qual 0.5
        (Judged(REVISE, WRONG, RIGHT), 0.7, 0.5 + 0.5 * (0.2 + 0.6 * 0.875 + 0.1)),
        # refused, and the redraw is the same
        (Judged(REVISE, WRONG, WRONG), 0.5, 0.8),
        # refused and made worse, 5 -> 0: 0.5 + 0.5 (0.8 * -0.5); sem (-0.25 + 1) / 2 = 0.375
        (Judged(REVISE, WRONG, WORSE), 0.3, 0.5 + 0.5 * (0.2 + 0.6 * 0.375 + 0.1)),
        # refused, only the quality fell, 5 -> 2.5: 0.5 + 0.5 (0.8 * -0.25); qual (-0.75 + 1) / 2 = 0.125
        (Judged(REVISE, WRONG, LESS_CLEAN), 0.4, 0.5 + 0.5 * (0.2 + 0.3 + 0.2 * 0.125)),
        # accepted though wrong: as if the next picture scored 0. 0.5 + 0.5 (-0.2 + 0.8 * -0.5); qual (-1 + 1) / 2 = 0
        (Judged(ACCEPT, WRONG), 0.2, 0.5 + 0.5 * (0 + 0.6 * 0.375 + 0)),
        # not in the envelope: nothing at all
        (Judged(None, RIGHT), 0.0, 0.0),
        (Judged(None, WRONG), 0.0, 0.0),
    ],
)
def test_both_variants_by_hand(judged, paper, code):
    assert reward(judged, PAPER).total == pytest.approx(paper)
    assert reward(judged, CODE).total == pytest.approx(code)


def test_the_parts_by_hand():
    assert reward(Judged(REVISE, WRONG, RIGHT), PAPER) == pytest.approx((0.7, 1, 0, 0.5))
    assert reward(Judged(ACCEPT, WRONG), PAPER) == pytest.approx((0.2, 1, -1, -0.5))
    assert reward(Judged(REVISE, WRONG, RIGHT), CODE)[1:] == pytest.approx((1, 1, 0.75 * 0.875 + 0.25 * 0.5))
    assert reward(Judged(REVISE, RIGHT), CODE)[1:] == pytest.approx((1, 0, 0.5))


def test_ablations_are_weights():
    no_step, no_accuracy = RewardRecipe(step=0.0), RewardRecipe(accuracy=0.0)
    assert reward(Judged(REVISE, WRONG, RIGHT), no_step).total == pytest.approx(0.5)
    assert reward(Judged(ACCEPT, WRONG), no_step).total == pytest.approx(0.4)
    assert reward(Judged(REVISE, RIGHT), no_accuracy).total == pytest.approx(0.5)
    assert reward(Judged(REVISE, WRONG, RIGHT), no_accuracy).total == pytest.approx(0.7)


@pytest.mark.parametrize(
    "recipe", [RewardRecipe(v, step=s, accuracy=a) for v in ("paper", "code") for s in (0, 0.8) for a in (0, 0.2)]
)
def test_accepting_a_wrong_drawing_is_never_better_than_any_refinement(recipe):
    marks = (0, 2.5, 5, 10)
    for old, new in itertools.product(itertools.product(marks, marks), repeat=2):
        accepted = reward(Judged(ACCEPT, scores(*old)), recipe).total
        assert accepted <= reward(Judged(REVISE, scores(*old), scores(*new)), recipe).total + 1e-12
        assert reward(Judged(None, scores(*old)), recipe).total == 0 <= accepted


def test_a_dropped_sample_earns_no_number():
    with pytest.raises(ValueError, match="leave it out"):
        reward(Judged(REVISE, WRONG, None, dropped=True))


def test_only_a_wrong_drawing_that_was_refused_is_redrawn():
    assert redraw_prompt(REVISE, truth=False) == "a red hat at b4"
    assert redraw_prompt(REVISE, truth=True) is None
    assert redraw_prompt(ACCEPT, truth=False) is None
    assert redraw_prompt(None, truth=False) is None


BODY = "{'previous_step_success': False, 'refine_prompt': 'a red hat at b4'}"


@pytest.mark.parametrize(
    ("answer", "readable"),
    [
        (f"<think>no hat</think><answer>{BODY}</answer>", True),
        (f"<answer>{BODY}</answer>", False),  # the flaw of the released code: no thoughts, yet it passes
        (f"Sure! <think>no hat</think><answer>{BODY}</answer>", False),
        (f"<think>no hat</think><answer>{BODY}</answer> I hope this helps", False),
        (f"<think>no hat</think><answer>{BODY}", False),
        ("<think>no hat</think><answer>{'previous_step_success': False}</answer>", False),
        ("", False),
    ],
)
def test_the_format_is_the_strict_envelope(answer, readable):
    verdict = read_verdict(CriticCodec(load_pack("compact")), answer)
    assert (verdict is not None) == readable
    assert reward(Judged(verdict, WRONG, RIGHT)).format == readable


@pytest.mark.parametrize("line", [{"variant": "mine"}, {"step": 2.0}, {"accuracy": -1.0}])
def test_a_recipe_that_cannot_work_is_refused(line):
    with pytest.raises(BadSettings, match=f"reward.{next(iter(line))}"):
        RewardRecipe(**line)
