"""What the rows say together: paired differences, derived figures, and the targets of the issue.

All rows saw the same requests with the same seeds, so rows are compared document by document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.statistics import figure, paired_difference
from interleavethinker.checkpoint import Metric

DIFFERENCES: tuple[tuple[str, str], ...] = (
    ("critic_rl", "planner_only"),
    ("critic_rl", "critic_sft"),
    ("critic_sft", "planner_only"),
    ("critic_sft", "reseed_only_sft"),
    ("critic_sft", "reseed_only"),
    ("critic_rl", "reseed_only"),
    ("critic_rl", "rl_no_step_reward"),
    ("critic_rl", "rl_no_accuracy_reward"),
    ("critic_rl", "one_agent"),
    ("critic_sft", "unfiltered"),
    ("transfer_critic_rl", "transfer_planner_only"),
    ("transfer_critic_rl", "transfer_reseed_only"),
)

Means = dict[str, np.ndarray]


def _gap_closed(prefix: str) -> Callable[[Means], np.ndarray]:
    def of(means: Means) -> np.ndarray:
        floor = means[f"{prefix}planner_only"]
        return (means[f"{prefix}critic_rl"] - floor) / (means[f"{prefix}oracle"] - floor)

    return of


def _kept(means: Means) -> np.ndarray:
    gained = means["critic_rl"] - means["planner_only"]
    return (means["transfer_critic_rl"] - means["transfer_planner_only"]) / gained


DERIVED: dict[str, tuple[str, tuple[str, ...], Callable[[Means], np.ndarray]]] = {
    "gap_closed": (
        "(critic_rl - planner_only) / (oracle - planner_only)",
        ("critic_rl", "planner_only", "oracle"),
        _gap_closed(""),
    ),
    "transfer_kept": (
        "(transfer_critic_rl - transfer_planner_only) / (critic_rl - planner_only)",
        ("transfer_critic_rl", "transfer_planner_only", "critic_rl", "planner_only"),
        _kept,
    ),
    "transfer_gap_closed": (
        "(transfer_critic_rl - transfer_planner_only) / (transfer_oracle - transfer_planner_only)",
        ("transfer_critic_rl", "transfer_planner_only", "transfer_oracle"),
        _gap_closed("transfer_"),
    ),
}

Successes = Mapping[str, Sequence[bool]]
"""Row -> of each document, whether it succeeded; the same documents in the same order in every row."""


def compared(rows: Successes) -> list[dict[str, Any]]:
    """The paired differences of document success between rows that were both measured."""
    return [
        {
            "comparison": f"{first} - {second}",
            "difference": paired_difference(rows[first], rows[second]),
            "method": "Newcombe's paired interval (1998, method 10)",
        }
        for first, second in DIFFERENCES
        if first in rows and second in rows
    ]


def derived(rows: Successes, seed: int) -> dict[str, dict[str, Any]]:
    """The figures whose rows were all measured; `value` None where a denominator is 0."""
    return {
        name: {
            "figure": figure({row: rows[row] for row in needed}, of, seed),
            "formula": formula,
            "method": "percentile bootstrap over documents",
        }
        for name, (formula, needed, of) in DERIVED.items()
        if all(row in rows for row in needed)
    }


def targets(comparisons: Sequence[Mapping[str, Any]], figures: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each target with what was measured; `met` is None where its rows were not all measured.

    A margin is met by its value, as the issue states it; "excludes zero" by the lower end of its interval.
    """
    differences: dict[str, Metric] = {entry["comparison"]: entry["difference"] for entry in comparisons}
    values: dict[str, Metric | None] = {name: entry["figure"] for name, entry in figures.items()}
    wanted: list[tuple[str, Metric | None, Callable[[Metric], bool]]] = [
        (
            "the loop with RL beats planner only by 15 points or more",
            differences.get("critic_rl - planner_only"),
            lambda m: m.value >= 0.15,
        ),
        (
            "it closes 60% or more of the gap between planner only and the oracle",
            values.get("gap_closed"),
            lambda m: m.value >= 0.60,
        ),
        *(
            (
                f"{first} beats {second}: the paired interval excludes zero",
                differences.get(f"{first} - {second}"),
                _above,
            )
            for first, second in (
                ("critic_rl", "critic_sft"),
                ("critic_rl", "reseed_only"),
                ("critic_sft", "reseed_only"),
                ("critic_sft", "reseed_only_sft"),
            )
        ),
        (
            "transfer to the second generator keeps 70% or more of the gain",
            values.get("transfer_kept"),
            lambda m: m.value >= 0.70,
        ),
    ]
    return [
        {"target": text, "measured": measured, "met": None if measured is None else met(measured)}
        for text, measured, met in wanted
    ]


def _above(measured: Metric) -> bool:
    return measured.low > 0
