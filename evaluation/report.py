"""What a measurement leaves behind: a JSON file, a picture of the numbers with their intervals, and each manifest's
own part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interleavethinker.checkpoint import Metric, read_manifest, write_manifest

Numbers = dict[str, dict[str, Metric]]
TARGETS = {
    ("planner", "valid"): (0.98, 1.0),
    ("planner", "exact"): (0.85, 1.0),
    ("critic", "balanced_accuracy"): (0.85, 1.0),
    ("generator", "first_attempt_step_success"): (0.55, 0.90),
}
"""The range that the small world was designed for: a generator that is good enough to be useful, and leaves work to
do."""


def plain(value: Any) -> Any:
    """The value as JSON knows it."""
    if isinstance(value, Metric):
        return value.model_dump()
    return {key: plain(part) for key, part in value.items()} if isinstance(value, dict) else value


def write(numbers: Numbers, details: dict[str, Any], path: Path, *, command: str, seed: int) -> None:
    """Write `path` (JSON) and a picture beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {**plain(numbers), "details": plain(details), "command": command, "seed": seed}
    path.write_text(json.dumps(whole, indent=2) + "\n")
    picture(numbers, path.with_suffix(".png"))


def record(numbers: Numbers, checkpoints: Path) -> None:
    """Write each model's numbers into its manifest. Directories without one are left alone."""
    for kind in ("planner", "critic", "generator"):
        manifest = read_manifest(checkpoints / kind)
        if manifest:
            write_manifest(checkpoints / kind, manifest.model_copy(update={"metrics": numbers[kind]}))


def picture(numbers: Numbers, path: Path) -> None:
    """A dot with its 95% interval for each number, over the range it was designed for."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [(part, name, metric) for part, metrics in numbers.items() for name, metric in metrics.items()]
    figure, axis = plt.subplots(figsize=(7, 0.5 * len(rows) + 1))
    for at, (part, name, metric) in enumerate(rows):
        if (part, name) in TARGETS:
            low, high = TARGETS[part, name]
            axis.barh(at, high - low, left=low, height=0.7, color="tab:green", alpha=0.15)
        axis.plot([metric.low, metric.high], [at, at], color="tab:blue")
        axis.plot(metric.value, at, "o", color="tab:blue")
        axis.annotate(
            f"{metric.value:.2f}", (metric.value, at), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axis.set_yticks(range(len(rows)), [f"{part}: {name.replace('_', ' ')}" for part, name, _ in rows])
    axis.set(xlim=(0, 1.02), title=f"small world, held out, n = {rows[0][2].n}")
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
