"""The values: what they refuse, and that equal content means one name."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from interleavethinker.types import (
    Brief,
    Critique,
    ImageJob,
    ImageRef,
    InterleaveRequest,
    Outcome,
    Plan,
    Size,
    Step,
    Verdict,
)

IMAGE = ImageRef(digest="0" * 64, width=8, height=8)
images = st.builds(
    ImageRef,
    digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    width=st.integers(1, 4096),
    height=st.integers(1, 4096),
)
jobs = st.builds(
    ImageJob,
    prompt=st.text(min_size=1, max_size=50),
    references=st.lists(images, max_size=3).map(tuple),
    seed=st.integers(0, 2**32 - 1),
    size=st.none() | st.builds(Size, width=st.integers(16, 4096), height=st.integers(16, 4096)),
)


@given(jobs)
def test_a_job_keeps_its_id_through_json(job: ImageJob):
    again = ImageJob.model_validate_json(job.model_dump_json())
    assert again == job
    assert again.id == job.id == ImageJob.model_validate(json.loads(job.canonical())).id


@given(jobs, jobs)
def test_only_equal_jobs_share_an_id(one: ImageJob, other: ImageJob):
    assert (one == other) == (one.id == other.id)


def test_the_order_of_references_is_part_of_a_job():
    other = IMAGE.model_copy(update={"digest": "1" * 64})
    assert ImageJob(prompt="x", seed=1, references=(IMAGE, other)).id != (
        ImageJob(prompt="x", seed=1, references=(other, IMAGE)).id
    )


def test_an_id_is_the_same_in_every_version():
    """A changed id would draw and bill every recorded job again: additive fields need a thought about old ids."""
    assert ImageJob(prompt="a red ball", seed=7).id == (
        "78449c52a3fdda452e2ad156f3eabd646f1e91d00ba724c5b333b119524ba078"
    )


def test_values_cannot_be_changed_and_refuse_unknown_fields():
    with pytest.raises(ValidationError):
        IMAGE.width = 9  # type: ignore[misc]
    with pytest.raises(ValidationError, match="promt"):
        Brief.model_validate({"prompt": "x", "promt": "y"})


@pytest.mark.parametrize(
    ("prompt", "pictures", "fits"),
    [
        ("no marker", 0, True),
        ("<image> first", 1, True),
        ("one without a marker", 1, True),
        ("<image> <image>", 1, False),
    ],
)
def test_a_brief_has_a_picture_for_each_marker(prompt: str, pictures: int, fits: bool):
    if fits:
        Brief(prompt=prompt, images=(IMAGE,) * pictures)
    else:
        with pytest.raises(ValidationError, match="2 <image> markers, 1 images"):
            Brief(prompt=prompt, images=(IMAGE,) * pictures)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_plan_s_numbers_follow_each_other(numbers: list[int]):
    steps = tuple(Step(index=number) for number in numbers)
    if all(after == before + 1 for before, after in pairwise(numbers)):
        assert Plan(steps=steps).steps == steps
    else:
        with pytest.raises(ValidationError, match="without a gap"):
            Plan(steps=steps)


def test_a_step_is_read_by_its_auxiliary_text_else_its_instruction():
    assert Step(index=1, instruction="i", auxiliary_text="a").text == "a"
    assert Step(index=1, instruction="i").text == "i"
    assert Step(index=1, prompt="p").text == ""


def test_revise_says_how():
    with pytest.raises(ValidationError, match="refined_prompt"):
        Verdict(outcome=Outcome.REVISE)


@pytest.mark.parametrize(
    ("outcome", "confidence", "probability"),
    [("accept", 0.8, 0.8), ("revise", 0.8, 0.2), ("accept", None, 1), ("revise", None, 0), ("abstain", 0.9, 0.5)],
)
def test_attempts_are_ranked_by_how_probably_they_are_right(outcome: str, confidence: float | None, probability: float):
    verdict = Verdict(outcome=Outcome(outcome), refined_prompt="again", confidence=confidence)
    assert verdict.accept_probability == pytest.approx(probability)


def test_the_defaults_are_the_paper_s():
    request = InterleaveRequest(brief=Brief(prompt="x"))
    assert (request.max_attempts, request.critic) == (5, "quick")
    assert Critique(prompt="p", last_prompt="p", after=IMAGE).before is None
