"""Intervals against values worked out by hand or by a known table."""

from __future__ import annotations

import pytest

from evaluation.statistics import balanced_accuracy, figure, paired_difference, proportion, share


def test_wilson_interval_of_a_half():
    metric = proportion([True] * 50 + [False] * 50)
    assert (metric.value, metric.n) == (0.5, 100)
    assert (metric.low, metric.high) == pytest.approx((0.4038, 0.5962), abs=1e-4)  # textbook value


def test_the_ends_stay_honest():
    sure = proportion([True] * 20)
    assert sure.high == 1.0
    assert sure.low == pytest.approx(0.8389, abs=1e-4)
    assert proportion([False] * 20).low == 0.0


def test_balanced_accuracy_ignores_how_many_there_are_of_each():
    truths = [True] * 90 + [False] * 10
    always_yes = balanced_accuracy(truths, [True] * 100)
    assert always_yes.value == 0.5
    assert balanced_accuracy(truths, truths).value == 1.0
    assert always_yes.low < 0.5 < always_yes.high


def test_nothing_measured_is_an_error():
    with pytest.raises(ValueError, match="larger n"):
        proportion([])
    with pytest.raises(ValueError, match="right and wrong"):
        balanced_accuracy([True], [True])


def pairs(both: int, only_first: int, only_second: int, neither: int) -> tuple[list[bool], list[bool]]:
    cells = [(True, True)] * both + [(True, False)] * only_first + [(False, True)] * only_second
    cells += [(False, False)] * neither
    return [first for first, _ in cells], [second for _, second in cells]


def test_newcombes_paired_interval_where_outcomes_disagree():
    # 48/50 against 38/50. Wilson .86540 to .98896 and .62587 to .85703; phi = -24 / sqrt(48 * 2 * 38 * 12) = -.11471.
    # Down sqrt(.09460^2 + .09703^2 + 2 * .11471 * .09460 * .09703) = .14307, up likewise from .02896, .13413: .14043.
    metric = paired_difference(*pairs(36, 12, 2, 0))
    assert (metric.value, metric.n) == (0.2, 50)
    assert (metric.low, metric.high) == pytest.approx((0.0569, 0.3404), abs=1e-4)


def test_newcombes_paired_interval_where_outcomes_agree():
    # 80/100 against 64/100; ad - bc = 880, less n/2: phi = 830 / sqrt(80 * 20 * 64 * 36) = .43229
    metric = paired_difference(*pairs(60, 20, 4, 16))
    assert metric.value == 0.16
    assert (metric.low, metric.high) == pytest.approx((0.0662, 0.2514), abs=1e-4)


def test_newcombes_interval_and_the_bootstrap_agree_on_many_documents():
    first, second = pairs(150, 75, 25, 50)
    metric = paired_difference(first, second)
    other = figure({"a": first, "b": second}, lambda means: means["a"] - means["b"])
    assert other is not None
    assert (other.value, other.n) == (metric.value, 300)
    assert (other.low, other.high) == pytest.approx((metric.low, metric.high), abs=0.01)


def test_the_same_outcomes_differ_by_nothing():
    metric = paired_difference(*pairs(100, 0, 0, 100))
    assert metric.value == 0
    assert metric.low == pytest.approx(-metric.high)
    assert metric.high < 0.02  # only the continuity correction keeps it from being 0


def test_a_share_counts_cases_but_resamples_documents():
    apart = share([1, 0] * 50, [1, 1] * 50)
    together = share([10, 0] * 50, [10, 10] * 50)  # ten steps of a document that stand and fall together
    assert apart is not None
    assert together is not None
    assert (apart.value, apart.n, together.n) == (0.5, 100, 1000)
    assert (together.low, together.high) == (apart.low, apart.high)
    assert (apart.low, apart.high) == pytest.approx((0.4038, 0.5962), abs=0.015)  # near Wilson's


def test_shares_at_the_ends_and_of_nothing():
    assert share([0, 0], [0, 0]) is None
    all_right = share([3] * 20, [3] * 20)
    assert all_right is not None
    assert (all_right.low, all_right.high, all_right.n) == (pytest.approx(0.8389, abs=1e-4), 1.0, 60)
    assert share([1, 2, 0], [2, 2, 3], seed=1) == share([1, 2, 0], [2, 2, 3], seed=1)


def test_a_figure_that_is_not_finite_is_none():
    rows = {"a": [True, False], "b": [False, False]}
    assert figure(rows, lambda means: means["a"] / means["b"]) is None
