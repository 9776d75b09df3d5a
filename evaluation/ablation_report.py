"""What the ablation leaves behind: a table on the terminal, a JSON file and a picture beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evaluation.report import plain
from interleavethinker.checkpoint import Metric

COLUMNS = (
    ("document_success", "documents"),
    ("text", "text"),
    ("image", "image"),
    ("score", "score"),
    ("steps_accepted", "accepted"),
    ("wrong_accepted", "wrong acc."),
    ("right_refused", "right ref."),
)


def write(result: Mapping[str, Any], path: Path) -> None:
    """Write `path` (JSON) and a picture beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain_all(result), indent=2) + "\n")
    picture(result, path.with_suffix(".png"))


def plain_all(value: Any) -> Any:
    """`report.plain`, through lists as well."""
    if isinstance(value, list | tuple):
        return [plain_all(part) for part in value]
    if isinstance(value, Mapping):
        return {key: plain_all(part) for key, part in value.items()}
    return plain(value)


def _share(metric: Metric | None) -> str:
    return "-" if metric is None else f"{100 * metric.value:.1f}"


def _with_interval(metric: Metric | None, scale: float = 100) -> str:
    if metric is None:
        return "-"
    return f"{scale * metric.value:.1f} [{scale * metric.low:.1f}, {scale * metric.high:.1f}]"


def table(result: Mapping[str, Any]) -> Iterator[str]:
    """The lines of the table: rows, differences, derived figures, targets, wordings. Shares in percent."""
    names = [row["row"] for row in result["rows"]]
    wide = max([len(name) for name in names], default=3)
    yield f"{'row':{wide}}  {'documents':>21}" + "".join(f"{title:>11}" for _, title in COLUMNS[1:]) + "    draws/doc"
    for row in result["rows"]:
        cells = "".join(f"{_share(row[key]):>11}" for key, _ in COLUMNS[1:])
        documents = _with_interval(row["document_success"])
        yield f"{row['row']:{wide}}  {documents:>21}{cells}{row['draws_per_document']:>13.2f}"
    for entry in result["left_out"]:
        yield f"{entry['row']:{wide}}  left out: {entry['reason']}"
    if result["comparisons"]:
        yield ""
        yield "paired differences of document success, points"
    for entry in result["comparisons"]:
        yield f"  {entry['comparison']:45} {_with_interval(entry['difference']):>22}"
    for name, entry in result["derived"].items():
        yield f"  {name:45} {_with_interval(entry['figure']):>22} %"
    yield ""
    yield "targets"
    for entry in result["targets"]:
        met = {True: "met", False: "NOT MET", None: "not measured"}[entry["met"]]
        yield f"  {met:12} {entry['target']}"
    for generator, styles in result["wordings"].items():
        yield ""
        yield f"wordings, {generator}: first attempts right in %; second attempts at the failed ones"
        yield f"  {'style':10}{'all':>22}{'cell':>10}{'relation':>10}{'luck':>10}{'refined':>10}"
        for style, numbers in styles.items():
            first = numbers["first_attempt"]
            shares = (first["cell"], first["relation"], numbers["luck"], numbers["refinement"])
            yield f"  {style:10}{_with_interval(first['all']):>22}" + "".join(f"{_share(one):>10}" for one in shares)


def picture(result: Mapping[str, Any], path: Path) -> None:
    """Document success by row with its interval, draws beside it; below, the wording families of each generator."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows, wordings = result["rows"], result["wordings"]
    heights = [0.33 * len(rows) + 0.8, 3.2 if wordings else 0.01]
    figure = plt.figure(figsize=(11, sum(heights) + 1.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=heights)
    success, draws = top.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    places = range(len(rows))
    for at, row in enumerate(rows):
        colour = "tab:orange" if row["row"].startswith("transfer_") else "tab:blue"
        metric = row["document_success"]
        success.plot([metric.low, metric.high], [at, at], color=colour, linewidth=2)
        success.plot(metric.value, at, "o", color=colour)
        success.annotate(
            f"{metric.value:.2f}", (metric.high, at), (6, 0), textcoords="offset points", va="center", fontsize=8
        )
        draws.barh(at, row["draws_per_document"], color=colour, alpha=0.6)
        draws.annotate(
            f"{row['draws_per_document']:.1f}",
            (row["draws_per_document"], at),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    success.set_yticks(places, [row["row"].replace("_", " ") for row in rows])
    success.invert_yaxis()
    success.set(xlim=(-0.02, 1.1), title=f"documents exactly right, held out, n = {result['n']}, 95% intervals")
    draws.set(title="draws per document", xlim=(0, 1.2 * max(row["draws_per_document"] for row in rows)))
    for axis in (success, draws):
        axis.grid(axis="x", alpha=0.3)
    if wordings:
        for axis, (generator, styles) in zip(
            bottom.subplots(1, len(wordings), squeeze=False, sharey=True)[0], wordings.items(), strict=True
        ):
            _wordings(axis, generator, styles)
        bottom.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _wordings(axis: Any, generator: str, styles: Mapping[str, Any]) -> None:
    series = {
        "first attempt": [numbers["first_attempt"]["all"] for numbers in styles.values()],
        "place by cell": [numbers["first_attempt"]["cell"] for numbers in styles.values()],
        "place by relation": [numbers["first_attempt"]["relation"] for numbers in styles.values()],
        "failed, redrawn: luck": [numbers["luck"] for numbers in styles.values()],
        "failed, redrawn: refined": [numbers["refinement"] for numbers in styles.values()],
    }
    for number, (name, metrics) in enumerate(series.items()):
        shown = [(at + 0.14 * (number - 2), metric) for at, metric in enumerate(metrics) if metric]
        axis.errorbar(
            [at for at, _ in shown],
            [metric.value for _, metric in shown],
            [
                [max(0.0, metric.value - metric.low) for _, metric in shown],
                [max(0.0, metric.high - metric.value) for _, metric in shown],
            ],
            fmt="o" if number < 3 else "s",
            markersize=4,
            linewidth=1,
            label=name,
        )
    axis.set_xticks(range(len(styles)), list(styles))
    axis.set(ylim=(-0.03, 1.03), title=f"wordings, {generator.replace('_', ' ')}")
    axis.grid(axis="y", alpha=0.3)
