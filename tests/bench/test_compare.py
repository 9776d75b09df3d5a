"""What counts as slower, on files written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.compare import interval, main


def file(path: Path, *rows: dict[str, Any], **more: Any) -> str:
    path.write_text(json.dumps({"rows": list(rows), **more}))
    return str(path)


def row(ratio: float, **more: Any) -> dict[str, Any]:
    return {"profile": "9b", "steps": 8, "acceptance": 0.7, "speculate": False, "ratio_to_baseline": ratio, **more}


@pytest.mark.parametrize(
    ("fresh", "code"),
    [
        (row(0.74), 0),
        (row(0.60), 0),
        (row(0.76), 0),  # within the margin
        (row(0.85), 1),
        (row(0.85, ratio_interval=[0.70, 1.0]), 0),  # within its own noise
        (row(0.85, ratio_interval=[0.80, 0.9]), 1),
        (row(0.85, pairs=[[10, 8.4], [10, 8.5], [10, 8.6]]), 1),
        (row(0.85, pairs=[[10, 7.0], [10, 8.5], [10, 9.9]]), 0),
        (row(0.74, steps=4), 2),  # no row in common
    ],
)
def test_slower_than_the_noise(tmp_path: Path, fresh: dict[str, Any], code: int, capsys: pytest.CaptureFixture[str]):
    committed = file(tmp_path / "committed.json", row(0.74), row(0.6, speculate=True))
    assert main([file(tmp_path / "fresh.json", fresh), committed]) == code
    said = capsys.readouterr()
    assert ("SLOWER" in said.out) is (code == 1)
    assert ("no row in common" in said.err) is (code == 2)


def test_the_small_models_steps_are_measured_and_no_name(tmp_path: Path):
    before = row(0.8, profile="smallworld", steps=3.7, acceptance=0.81)
    now = row(0.81, profile="smallworld", steps=3.5, acceptance=0.79)
    assert main([file(tmp_path / "a.json", now, pairs=[[2, 1.6]]), file(tmp_path / "b.json", before)]) == 0


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path / "none.json")]) == 2
    assert "none.json is not there" in capsys.readouterr().err


def test_the_interval_holds_the_median_and_is_the_same_again():
    low, high = interval([0.7, 0.8, 0.9, 1.0, 0.6])
    assert low <= 0.8 <= high
    assert interval([0.7, 0.8, 0.9, 1.0, 0.6]) == (low, high)
    assert interval([0.5]) == (0.5, 0.5)
