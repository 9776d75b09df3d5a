"""Intervals against values worked out by hand or by a known table."""

from __future__ import annotations

import pytest

from evaluation.statistics import balanced_accuracy, proportion


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
