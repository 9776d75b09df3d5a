"""The codec's laws, for arbitrary plans and verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interleavethinker.codec import clean, well_formed
from interleavethinker.types import Outcome, Plan, Step, Verdict
from tests.codec.values import CRITIC, MARKERS, PLANNER, any_text, plans, unmarked, verdicts


@given(plans())
def test_a_plan_is_read_as_it_was_written(plan: Plan) -> None:
    assert PLANNER.read(PLANNER.write(plan)) == PLANNER.canonical(plan)


@given(verdicts(), any_text)
def test_a_verdict_is_read_as_it_was_written(verdict: Verdict, last_prompt: str) -> None:
    assert CRITIC.read(CRITIC.write(verdict, last_prompt)) == CRITIC.canonical(verdict)


@given(plans(unmarked), verdicts(unmarked))
def test_text_without_markers_is_canonical(plan: Plan, verdict: Verdict) -> None:
    assert PLANNER.canonical(plan) == plan
    assert CRITIC.canonical(verdict) == verdict


@given(any_text)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not any(marker in once for marker in MARKERS)


@pytest.mark.parametrize("text", ["<th<think>ink>", "<|im_<|im_end|>end|>", "</ans</answer>wer>", "<<image>image>"])
def test_taking_a_marker_out_makes_no_new_one(text: str) -> None:
    assert not any(marker in clean(text) for marker in MARKERS)


@given(plans())
def test_writing_is_well_formed(plan: Plan) -> None:
    assert well_formed(PLANNER, PLANNER.write(plan))
    assert not well_formed(CRITIC, PLANNER.write(plan))


@given(plans(), st.integers(1, 40))
def test_a_stream_is_read_like_the_whole(plan: Plan, size: int) -> None:
    text = PLANNER.write(plan)
    reader = PLANNER.reader()
    streamed = [step for at in range(0, len(text), size) for step in reader.feed(text[at : at + size])]
    assert reader.close() == PLANNER.canonical(plan)
    assert tuple(streamed) == PLANNER.canonical(plan).steps


@given(verdicts(), any_text)
def test_the_verdict_token_is_found(verdict: Verdict, last_prompt: str) -> None:
    text = CRITIC.write(verdict, last_prompt)
    offset = CRITIC.verdict_offset(text)
    assert offset is not None
    assert text[offset:].startswith(str(verdict.outcome is Outcome.ACCEPT))
    assert CRITIC.verdict_offset(text[:offset]) is None


def test_the_written_bytes_are_those_the_models_are_trained_on() -> None:
    plan = Plan(
        reasoning="two steps",
        steps=(
            Step(index=1, name="Base", instruction="Roll a ball.", prompt="a snowball"),
            Step(index=2, name="Hat", prompt="it's red", auxiliary_text='the "hat"'),
        ),
    )
    assert PLANNER.write(plan) == (
        "<think>two steps</think><answer>{'execution_plan': ["
        "{'step_number': 1, 'step_name': 'Base', 'instruction': 'Roll a ball.', "
        "'prompt': 'a snowball', 'auxiliary_text': None}, "
        "{'step_number': 2, 'step_name': 'Hat', 'instruction': None, "
        "'prompt': \"it's red\", 'auxiliary_text': 'the \"hat\"'}"
        "]}</answer>"
    )
    revise = Verdict(outcome=Outcome.REVISE, refined_prompt="a red hat", reasoning="no hat")
    assert CRITIC.write(revise, "a hat") == (
        "<think>no hat</think><answer>{'previous_step_success': False, 'refine_prompt': 'a red hat'}</answer>"
    )
    accept = Verdict(outcome=Outcome.ACCEPT, confidence=0.9)
    assert CRITIC.write(accept, "a hat") == (
        "<think></think><answer>{'previous_step_success': True, 'refine_prompt': 'a hat'}</answer>"
    )


def test_an_abstention_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="abstention"):
        CRITIC.write(Verdict(outcome=Outcome.ABSTAIN), "a hat")
