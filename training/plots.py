"""Training curves as a picture beside the checkpoint. Reads log rows, knows no trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

LOSSES = ("loss", "rmse_255")
SHARES = ("token_accuracy", "decisive_accuracy", "occupied_right", "said_right")
"""What is drawn on the left axis (logarithmic) and on the right one (0 to 1)."""


def curve(stages: dict[str, list[dict[str, Any]]], path: Path, *, title: str) -> None:
    """One panel a stage: loss falling, shares of right answers rising, over steps."""
    shown = {name: rows for name, rows in stages.items() if rows}
    figure, axes = plt.subplots(1, max(1, len(shown)), figsize=(4.2 * max(1, len(shown)), 3.2), squeeze=False)
    for axis, (name, rows) in zip(axes[0], shown.items(), strict=False):
        for key in LOSSES:
            points = [(row["step"], float(row[key])) for row in rows if key in row]
            if points:
                axis.plot(*zip(*points, strict=True), color="tab:blue", label=key)
        axis.set(title=name, xlabel="step", ylabel="loss", yscale="log")
        right = axis.twinx()
        right.set_ylim(0, 1.02)
        for key, style in zip(SHARES, ("-", "--", "-", "-"), strict=True):
            points = [(row["step"], float(row[key])) for row in rows if key in row]
            if points:
                right.plot(*zip(*points, strict=True), style, color="tab:orange", label=key.replace("_", " "))
        lines = [*axis.get_lines(), *right.get_lines()]
        axis.legend(lines, [str(line.get_label()) for line in lines], fontsize=7, loc="center right")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
