"""Differences, derived figures and targets on outcomes that can be counted by hand."""

from __future__ import annotations

import pytest

from evaluation.comparisons import compared, derived, targets


def outcomes(right: int, n: int = 100) -> list[bool]:
    """The first `right` of `n` documents succeed, so that a better row succeeds wherever a worse one does."""
    return [number < right for number in range(n)]


ROWS = {
    "planner_only": outcomes(40),
    "reseed_only": outcomes(55),
    "reseed_only_sft": outcomes(50),
    "critic_sft": outcomes(70),
    "critic_rl": outcomes(80),
    "oracle": outcomes(90),
    "transfer_planner_only": outcomes(30),
    "transfer_critic_rl": outcomes(60),
    "transfer_oracle": outcomes(80),
}


def test_rows_that_were_measured_are_compared_by_document():
    made = {entry["comparison"]: entry["difference"] for entry in compared(ROWS)}
    assert made["critic_rl - planner_only"].value == 0.4
    assert made["critic_rl - critic_sft"].value == 0.1
    assert made["critic_rl - critic_sft"].low > 0  # ten documents gained and none lost
    assert "critic_rl - one_agent" not in made


def test_derived_figures():
    made = {name: entry["figure"] for name, entry in derived(ROWS, seed=0).items()}
    assert made["gap_closed"].value == pytest.approx(40 / 50)
    assert made["transfer_kept"].value == pytest.approx(30 / 40)
    assert made["transfer_gap_closed"].value == pytest.approx(30 / 50)
    assert made["gap_closed"].low < 0.8 < made["gap_closed"].high < 1
    assert derived({"critic_rl": ROWS["critic_rl"]}, seed=0) == {}


def test_no_gap_is_no_figure():
    same = {name: outcomes(50) for name in ("planner_only", "critic_rl", "oracle")}
    assert derived(same, seed=0)["gap_closed"]["figure"] is None


def test_targets_are_met_missed_or_not_measured():
    def met(rows):
        return [entry["met"] for entry in targets(compared(rows), derived(rows, seed=0))]

    assert met(ROWS) == [True] * 7
    weak = ROWS | {"critic_rl": outcomes(50), "transfer_critic_rl": outcomes(33)}
    assert met(weak) == [False, False, False, False, True, True, False]
    assert met({"planner_only": outcomes(40)}) == [None] * 7
