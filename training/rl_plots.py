"""A GRPO run as one picture, made to look for reward hacking: curves over steps, and how each part of the reward and
the length of answers were distributed in the first and in the last quarter of the run.

Reads the files that `training.rl_log` writes; knows no trainer. `python -m training.rl_plots RUN` draws
RUN/training.png.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt

from interleavethinker.errors import BadRequest
from training.rl_log import PARTS, read_rows

CURVES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("reward", ("reward", "format_reward")),
    ("parts of the reward", ("accuracy_reward", "step_reward")),
    ("verdicts", ("right_on_true", "right_on_false", "accepted")),
    ("redraws", ("fixed", "gain", "distinct_refinements")),
    ("KL to the start, entropy", ("kl", "entropy")),
    ("answer length in tokens", ("length",)),
    ("malformed, cut off, flat groups", ("malformed", "cut_off", "flat_groups")),
)
HELD_OUT = ("mean_reward", "balanced_accuracy", "right_on_true", "right_on_false", "fixed")
COLUMNS, BINS = 4, 24
SMOOTH = 10
"""Curves are also shown as a mean over so many steps."""

Rows = Sequence[dict[str, Any]]


def rl_curves(run: Path, path: Path, *, title: str = "") -> None:
    """Draw the run in directory `run` to the PNG `path`. Raises BadRequest where nothing was logged."""
    log, rewards, held_out = (read_rows(run / f"{name}.jsonl") for name in ("log", "rewards", "held_out"))
    if not log:
        raise BadRequest(f"{run} holds no log.jsonl of a GRPO run")
    figure, grid = plt.subplots(3, COLUMNS, figsize=(4 * COLUMNS, 9))
    axes = list(grid.flat)
    for axis, (name, keys) in zip(axes, CURVES, strict=False):
        for key in keys:
            _curve(axis, log, key)
        axis.set(title=name, xlabel="step")
    _held_out(axes[len(CURVES)], held_out)
    for axis, key in zip(
        axes[len(CURVES) + 1 :], [key for key in (*PARTS, "length") if key != "format_reward"], strict=True
    ):
        _distribution(axis, rewards, key)
    for axis in axes:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7)
        axis.grid(alpha=0.3)
    figure.suptitle(title or run.name)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _curve(axis: Any, rows: Rows, key: str) -> None:
    points = [(row["step"], float(row[key])) for row in rows if isinstance(row.get(key), int | float)]
    if not points:
        return
    steps, values = (np.array(side) for side in zip(*points, strict=True))
    (line,) = axis.plot(steps, values, linewidth=0.6, alpha=0.4)
    width = min(SMOOTH, len(values))
    smooth = np.convolve(values, np.ones(width) / width, mode="valid")
    axis.plot(steps[width - 1 :], smooth, color=line.get_color(), label=key.replace("_", " "))


def _held_out(axis: Any, rows: Rows) -> None:
    for key in HELD_OUT:
        points = [(row["step"], row[key]) for row in rows if key in row]
        if points:
            axis.plot(*zip(*points, strict=True), marker=".", label=key.replace("_", " "))
    axis.set(title=f"held out, greedy (n = {rows[0]['n']})" if rows else "held out: not checked", xlabel="step")


def _distribution(axis: Any, rows: Rows, key: str) -> None:
    quarter = max(1, len(rows) // 4)
    first, last = (
        np.array([value for row in part for value in row.get(key, ())]) for part in (rows[:quarter], rows[-quarter:])
    )
    if len(first) and len(last):
        both = np.concatenate([first, last])
        bins = np.linspace(both.min() - 1e-6, both.max() + 1e-6, BINS + 1)
        for values, label in ((first, "first quarter"), (last, "last quarter")):
            share = np.full(len(values), 1 / len(values))
            axis.hist(values, bins, weights=share, alpha=0.5, label=f"{label}, mean {values.mean():.3g}")
    axis.set(title=f"distribution: {key.replace('_', ' ')}", ylabel="share")


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    rl_curves(directory, directory / "training.png")
