"""Proportions, shares, paired differences and derived figures with 95% intervals. Nothing here knows what was measured.

Single yes-or-no outcomes get Wilson's interval, paired ones Newcombe's; what is counted many times within a document
is resampled by whole documents (a seeded percentile bootstrap), since steps of one document stand and fall together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from interleavethinker.checkpoint import Metric

Z = 1.959964  # two-sided 95%
RESAMPLES = 4000


def _metric(value: float, low: float, high: float, n: int) -> Metric:
    return Metric(value=round(value, 4), low=round(low, 4), high=round(high, 4), n=n)


def _wilson(share: float, n: int) -> tuple[float, float]:
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def proportion(outcomes: Sequence[bool]) -> Metric:
    """Share of True with Wilson's interval, which stays inside 0..1 and is honest near its ends. Needs one outcome or
    more."""
    n = len(outcomes)
    if not n:
        raise ValueError("nothing was measured: choose a larger n")
    share = sum(outcomes) / n
    return _metric(share, *_wilson(share, n), n)


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
    return _metric(value, max(0.0, value - low), min(1.0, value + high), len(truths))


def paired_difference(first: Sequence[bool], second: Sequence[bool]) -> Metric:
    """Share of `first` less share of `second`, outcomes of the same cases in the same order, with Newcombe's interval
    for paired proportions (1998, method 10: Wilson's limits, squared and added, less what the pairing explains)."""
    n = len(first)
    if not n:
        raise ValueError("nothing was measured: choose a larger n")
    pairs = list(zip(first, second, strict=True))
    both, only_first = pairs.count((True, True)), pairs.count((True, False))
    only_second, neither = pairs.count((False, True)), pairs.count((False, False))
    p1, p2 = (both + only_first) / n, (both + only_second) / n
    (low1, high1), (low2, high2) = _wilson(p1, n), _wilson(p2, n)
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    agreement: float = both * neither - only_first * only_second
    if agreement > 0:
        agreement = max(agreement - n / 2, 0.0)  # Newcombe's continuity correction
    phi = agreement / math.sqrt(margins) if margins else 0.0

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))

    value = p1 - p2
    return _metric(value, value - reach(p1 - low1, high2 - p2), value + reach(high1 - p1, p2 - low2), n)


@lru_cache(maxsize=8)
def _draws(documents: int, seed: int) -> np.ndarray:
    """How often each document is drawn in each resample, (RESAMPLES, documents)."""
    return np.random.default_rng(seed).multinomial(documents, np.full(documents, 1 / documents), RESAMPLES)


def share(hits: Sequence[float], out_of: Sequence[float], seed: int = 0) -> Metric | None:
    """sum(hits) / sum(out_of) over documents, resampled by document; `n` is sum(out_of). None when that is 0.

    Where all hit or none does, resampling says nothing: then Wilson's interval, as if a document were one case.
    """
    total = sum(out_of)
    if not total:
        return None
    value = sum(hits) / total
    if value in (0.0, 1.0):
        return _metric(value, *_wilson(value, sum(cases > 0 for cases in out_of)), int(total))
    weights = _draws(len(hits), seed)
    with np.errstate(invalid="ignore"):
        spread = (weights @ np.asarray(hits, float)) / (weights @ np.asarray(out_of, float))
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    return _metric(value, float(low), float(high), int(total))


def figure(
    rows: Mapping[str, Sequence[float]], of: Callable[[dict[str, np.ndarray]], np.ndarray], seed: int = 0
) -> Metric | None:
    """`of` the rows' means, each row's cases being the same documents in the same order, resampled by document.

    `of` is given arrays of means by row name and computes elementwise. Resamples in which it is not finite are left
    out; None when it is not finite for the cases as they are.
    """
    n = len(next(iter(rows.values())))
    held = {name: np.asarray(values, float) for name, values in rows.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(of({name: np.asarray(values.mean()) for name, values in held.items()}))
        spread = of({name: _draws(n, seed) @ values / n for name, values in held.items()})
    finite = spread[np.isfinite(spread)]
    if not math.isfinite(value) or not len(finite):
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return _metric(value, float(low), float(high), n)
