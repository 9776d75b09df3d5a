"""The step filter, the split by variance and the balance, on attempts whose scores are written by hand."""

from __future__ import annotations

import pytest

from interleavethinker.types import Outcome, Verdict
from training.data.splits import (
    accepted,
    balance,
    critic_examples,
    filter_steps,
    rl_examples,
    steps_of,
    variance,
    variance_split,
    worth_learning,
)
from training.data.values import AttemptRecord
from training.judge import Scores

YES, NO = Verdict(outcome=Outcome.ACCEPT), Verdict(outcome=Outcome.REVISE, refined_prompt="again")


def step(*overall: float, document: str = "d", number: int = 1) -> list[AttemptRecord]:
    return [
        AttemptRecord(
            document=document, step=number, number=at, prompt="p", last_prompt="p", before=None, after=b"x", seed=0,
            generator="g", scores=Scores(semantics=score, quality=score, success=score == 10),
            verdict=YES if score == 10 else NO,
        )
        for at, score in enumerate(overall, start=1)
    ]  # fmt: skip


def test_attempts_are_gathered_by_step():
    records = [*step(0, 10), *step(10, number=2), *step(5, 5, 10, document="e")]
    assert [len(part) for part in steps_of(records)] == [2, 1, 3]


@pytest.mark.parametrize(
    ("overall", "kept"),
    [((10,), True), ((0, 10), True), ((6, 6), True), ((8, 4), False), ((0, 4, 4.9), False), ((2, 9, 1), False)],
)
def test_falling_and_low_steps_are_dropped(overall, kept):
    assert worth_learning(step(*overall)) is kept
    assert filter_steps([step(*overall)]) == ([step(*overall)] if kept else [])


def test_variance_is_the_populations():
    assert variance(step(0, 10)) == pytest.approx(25)
    assert variance(step(7, 7, 10)) == pytest.approx(2)


def test_steps_that_vary_most_go_to_rl():
    steps = [step(7, 10), step(0, 10), step(9, 10), step(3, 10), *(step(10, number=n) for n in range(10))]
    sft, rl = variance_split(steps, 0.5)
    assert {tuple(r.scores.overall for r in part) for part in rl if len(part) > 1} == {(0, 10), (3, 10)}
    assert sum(len(part) == 1 for part in rl) == 5
    assert len(sft) + len(rl) == len(steps)
    assert variance_split(steps, 0.5) == (sft, rl)


def test_both_verdicts_are_equally_many_after_balancing():
    examples = list(critic_examples([step(0, 0, 10), step(10), step(10), step(10)]))
    even = balance(examples)
    assert [accepted(example) for example in even].count(True) == [accepted(example) for example in even].count(False)
    assert len(even) == 4
    rows = list(rl_examples([step(0, 10), step(10), step(10), step(10)]))
    assert sum(accepted(row) for row in balance(rows, right=0.75)) == 3
    assert balance(rows[:1]) == rows[:1]  # nothing to balance with
