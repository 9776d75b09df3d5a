"""Numbers over items with 95% intervals: weighted sums of means, and ratios of counts, resampled by whole items.

A benchmark says what is summed (`terms`); intervals and differences between rows are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.statistics import figure, proportion, share
from interleavethinker.checkpoint import Metric

Values = tuple[float | None, ...]
"""One for each item, in the items' order; None where the item does not belong to the mean."""


@dataclass(frozen=True)
class Weighted:
    """Sum of weight * mean over terms."""

    terms: tuple[tuple[float, Values], ...]
    difference: bool = False

    def metric(self, seed: int = 0) -> Metric | None:
        """None where a term has no value at all (a category of which nothing was measured)."""
        if not self.terms or any(all(value is None for value in values) for _, values in self.terms):
            return None
        held = [value for _, values in self.terms for value in values if value is not None]
        if len(self.terms) == 1 and not self.difference and set(held) <= {0, 1} and self.terms[0][0] == 1:
            return proportion([bool(value) for value in held])
        columns: dict[str, list[float]] = {}
        for place, (_, values) in enumerate(self.terms):
            columns[f"sum {place}"] = [value or 0.0 for value in values]
            columns[f"count {place}"] = [float(value is not None) for value in values]
        found = figure(columns, self._of, seed)
        measured = sum(any(value is not None for value in item) for item in zip(*self._values(), strict=True))
        return found and found.model_copy(update={"n": measured})

    def less(self, other: Weighted) -> Weighted:
        """The difference over the items that have a value in both."""
        terms = tuple(
            (weight, tuple(None if a is None or b is None else a - b for a, b in zip(mine, theirs, strict=True)))
            for (weight, mine), (_, theirs) in zip(self.terms, other.terms, strict=True)
        )
        return Weighted(terms, difference=True)

    def _of(self, means: dict[str, np.ndarray]) -> np.ndarray:
        parts = [weight * means[f"sum {at}"] / means[f"count {at}"] for at, (weight, _) in enumerate(self.terms)]
        return np.asarray(sum(parts))

    def _values(self) -> list[Values]:
        return [values for _, values in self.terms]


@dataclass(frozen=True)
class Ratio:
    """sum(hits) / sum(out_of), each counted by item."""

    hits: tuple[float, ...]
    out_of: tuple[float, ...]

    def metric(self, seed: int = 0) -> Metric | None:
        return share(self.hits, self.out_of, seed)


Figure = Weighted | Ratio


def mean(values: Sequence[float | None]) -> Weighted:
    return Weighted(((1.0, tuple(values)),))


def within(values: Sequence[float | None], groups: Sequence[str], group: str) -> Values:
    """The values of the items of this group."""
    return tuple(value if of == group else None for value, of in zip(values, groups, strict=True))


def by_group(values: Sequence[float | None], groups: Sequence[str]) -> dict[str, Weighted]:
    """The mean of each group, in the order in which they first come."""
    return {group: mean(within(values, groups, group)) for group in dict.fromkeys(groups)}


def metrics(figures: Mapping[str, Figure], seed: int) -> dict[str, Metric]:
    return {name: metric for name, each in figures.items() if (metric := each.metric(seed))}


def number(most: int, least: int = 0) -> Callable[[object], float]:
    """Reads a score from `least` to `most`. Raises ValueError for anything else."""

    def read(value: object) -> float:
        told = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
        if told is None or not least <= told <= most:
            raise ValueError(f"no score from {least} to {most}: {value!r}")
        return told

    return read
