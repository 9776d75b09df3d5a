"""Proportions and balanced accuracy with 95% intervals. Nothing here knows what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from interleavethinker.checkpoint import Metric

Z = 1.959964  # two-sided 95%


def proportion(outcomes: Sequence[bool]) -> Metric:
    """Share of True with Wilson's interval, which stays inside 0..1 and is honest near its ends. Needs one outcome or
    more."""
    n = len(outcomes)
    if not n:
        raise ValueError("nothing was measured: choose a larger n")
    share = sum(outcomes) / n
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return Metric(
        value=round(share, 4), low=round(max(0.0, centre - half), 4), high=round(min(1.0, centre + half), 4), n=n
    )


def balanced_accuracy(truths: Sequence[bool], answers: Sequence[bool]) -> Metric:
    """Mean of the hit rates on True and on False cases; the interval adds the two Wilson variances."""
    hits = [
        [answer == truth for truth, answer in zip(truths, answers, strict=True) if truth is side]
        for side in (True, False)
    ]
    if not all(hits):
        raise ValueError("balanced accuracy needs right and wrong cases: choose a larger n")
    sides = [proportion(side) for side in hits]
    value = sum(side.value for side in sides) / 2
    low = math.sqrt(sum((side.value - side.low) ** 2 for side in sides)) / 2
    high = math.sqrt(sum((side.high - side.value) ** 2 for side in sides)) / 2
    return Metric(
        value=round(value, 4), low=round(max(0.0, value - low), 4), high=round(min(1.0, value + high), 4), n=len(truths)
    )
