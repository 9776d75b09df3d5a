"""Pictures of what a soak or a load run saw. Nothing is computed here that is not in the JSON beside the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def soak(result: Mapping[str, Any], path: Path) -> None:
    """Memory, open files, tasks, Redis keys, journal rows over time, and the calls' latencies."""
    figure, axes = _panels(2, 3, "Soak: mixed traffic over time")
    samples = result["samples"]
    _over_time(axes[0][0], samples, "rss", "memory, MB", 1 / 2**20)
    _over_time(axes[0][1], samples, "files", "open files")
    _over_time(axes[0][2], samples, "tasks", "asyncio tasks")
    _counts(axes[1][0], samples, lambda sample: sample["redis"]["keys"], "Redis keys, by kind")
    _counts(axes[1][1], samples, lambda sample: sample["journal"] | {"pictures": sample["blobs"]}, "rows and pictures")
    latencies(axes[1][2], result["calls"])
    _save(figure, path)


def load(results: Mapping[str, Any], path: Path) -> None:
    """For each trial a row: documents begun and ended over time, the order of starts, memory, and latencies."""
    figure, axes = _panels(len(results), 4, "Load: documents at once")
    for row, (name, found) in zip(axes, results.items(), strict=True):
        ended, starts = found["ends"], found["starts"]
        row[0].step([at for at, _ in starts], range(1, len(starts) + 1), label="begun", where="post")
        row[0].step(ended, range(1, len(ended) + 1), label="ended", where="post")
        row[0].set_xlabel("seconds since the first post")
        row[0].set_title(f"{name}: documents")
        row[0].legend(fontsize=7)
        for tenant in dict.fromkeys(tenant for _, tenant in starts):
            places = [place for place, (_, whose) in enumerate(starts, 1) if whose == tenant]
            row[1].step(places, range(1, len(places) + 1), label=tenant or "everybody", where="post")
        row[1].set_xlabel("starts in all")
        row[1].set_title("starts of each tenant")
        row[1].legend(fontsize=7)
        _over_time(row[2], found["samples"], "rss", "memory, MB", 1 / 2**20)
        latencies(row[3], found["calls"])
    _save(figure, path)


def documents(result: Mapping[str, Any], path: Path) -> None:
    """For each profile: seconds a document over the acceptance, of the baseline, our loop and the floor (8 steps, or
    the nearest there is), and the ratio to the baseline for each number of steps."""
    # The small models have one point only.
    rows = [row for row in result["rows"] if "floor_one_ahead_seconds" in row]
    rows = [row for row in rows if not row.get("kind") and row.get("overlap") != "next step"]
    names = list(dict.fromkeys(row["profile"] for row in rows))
    figure, axes = _panels(2, len(names), f"A document on stand-ins of GPU models, n = {result['n']} a point")
    for column, name in enumerate(names):
        own = [row for row in rows if row["profile"] == name]
        steps = min({row["steps"] for row in own}, key=lambda count: abs(count - 8))
        shown = {
            speculate: [row for row in own if row["steps"] == steps and row["speculate"] is speculate]
            for speculate in (False, True)
        }
        at = [row["acceptance"] for row in shown[False]]
        above, below = axes[0][column], axes[1][column]
        above.plot(at, [row["baseline_seconds"]["p50"] for row in shown[False]], "o-", label="sequential baseline")
        above.plot(at, [row["seconds"]["p50"] for row in shown[False]], "o-", label="ours")
        above.plot(at, [row["seconds"]["p50"] for row in shown[True]], "o-", label="ours, speculating")
        above.plot(at, [row["floor_one_ahead_seconds"] for row in shown[True]], "k:", label="floor, one step ahead")
        above.plot(at, [row["floor_seconds"] for row in shown[True]], "k--", label="floor")
        above.set(title=f"{name}, {steps} steps: seconds (p50)", xlabel="acceptance")
        for count in sorted({row["steps"] for row in own}):
            for speculate, line in ((False, "o--"), (True, "o-")):
                some = [row for row in own if row["steps"] == count and row["speculate"] is speculate]
                label = f"{count} steps{', speculating' if speculate else ''}"
                below.plot(
                    [row["acceptance"] for row in some],
                    [row["ratio_to_baseline"] for row in some],
                    line,
                    color=f"C{(4, 8, 12).index(count) if count in (4, 8, 12) else 3}",
                    label=label,
                )
        below.set(title=f"{name}: of the baseline's seconds", xlabel="acceptance")
        for axis in (above, below):
            axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
            axis.legend(fontsize=7)
    _save(figure, path)


def latencies(axis: Any, calls: Mapping[str, Mapping[str, Any]]) -> None:
    """p50, p95 and p99 of each kind of call."""
    kinds = [kind for kind in calls if kind != "readyz"][::-1]
    for mark, percent in (("o", 50), ("s", 95), ("^", 99)):
        axis.plot([max(calls[kind][f"p{percent}"], 1e-4) for kind in kinds], kinds, mark, label=f"p{percent}")
    axis.set_xscale("log")
    axis.set_title("seconds a call")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)


def _over_time(axis: Any, samples: Sequence[Any], what: str, title: str, times: float = 1.0) -> None:
    for name in samples[0]["parts"]:
        points = [
            (sample["at"] / 60, sample["parts"][name][what] * times)
            for sample in samples
            if sample["parts"].get(name, {}).get(what) is not None
        ]
        if points:
            axis.plot(*zip(*points, strict=True), label=name, linewidth=1)
    _labelled(axis, title)


def _counts(axis: Any, samples: Sequence[Any], of: Any, title: str) -> None:
    kinds = sorted({kind for sample in samples for kind in of(sample)})
    for kind in kinds:
        axis.plot(
            [sample["at"] / 60 for sample in samples], [of(sample).get(kind, 0) for sample in samples], label=kind,
            linewidth=1,
        )  # fmt: skip
    axis.set_yscale("symlog")
    _labelled(axis, title)


def _labelled(axis: Any, title: str) -> None:
    axis.set_title(title)
    axis.set_xlabel("minutes")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=6)


def _panels(rows: int, columns: int, title: str) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=(5.2 * columns, 3.6 * rows), layout="constrained", squeeze=False)
    figure.suptitle(title)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110)
    from matplotlib import pyplot as plt

    plt.close(figure)
