"""`python -m deploy.grafana.pictures`: draw the boards' panels from a real Prometheus that looked at a real stack.

Brings up the twin of docker-compose.yml, lets it make documents for some minutes, and draws what each panel's queries
return: docs/images/board-*.png. Grafana draws them finer; this is what stands in them. Deliberately not here: the
boards (`boards`) and the stack (`deploy.twin`).
"""

from __future__ import annotations

import argparse
import math
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import matplotlib as mpl
import yaml

from deploy.grafana.boards import BOARDS, Board, Panel
from deploy.twin import REPOSITORY, twin

mpl.use("Agg")
from matplotlib import pyplot as plt

WISHES = (
    "How do I draw a snowman with a red hat, step by step?",
    "I would like to draw a snowman with a red hat. What are the steps?",
    "How do I draw a house with a tree, step by step?",
    "Tell a picture story of a dog and a ball.",
)
AT_ONCE = 2
INTERVAL = "30s"


@contextmanager
def prometheus(urls: Mapping[str, str], home: Path) -> Iterator[str]:
    """A Prometheus that looks at these services each second; its URL."""
    binary = shutil.which("prometheus")
    if not binary:
        sys.exit("Prometheus is not here: apt install prometheus")
    targets = [{"targets": [url.removeprefix("http://")], "labels": {"service": name}} for name, url in urls.items()]
    jobs = [{"job_name": "interleavethinker", "static_configs": targets}]
    (home / "prometheus.yml").write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([binary, *words, f"--web.listen-address={address}"], stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait()


def busy(url: str, seconds: float) -> int:
    """Have documents made for so long; how many."""
    until, made = time.monotonic() + seconds, 0

    def one(seed: int) -> None:
        wish = {"prompt": WISHES[seed % len(WISHES)], "seed": seed}
        with httpx2.Client(base_url=url, timeout=180) as client:
            client.post("/interleave", json=wish, headers={"Prefer": "wait=150"})

    with ThreadPoolExecutor(AT_ONCE) as callers:
        while time.monotonic() < until:
            list(callers.map(one, range(made, made + AT_ONCE)))
            made += AT_ONCE
            print(f"{made} documents, {max(0.0, until - time.monotonic()):.0f} s left", flush=True)
    return made


def series(
    client: httpx2.Client, panel: Panel, begin: float, end: float
) -> Iterator[tuple[str, list[float], list[float]]]:
    """Each line of a panel: its name, seconds since the beginning, values."""
    for query in panel.queries:
        expr = query.expr.replace("$__rate_interval", INTERVAL).replace("$generator", ".*")
        asked = {"query": expr, "start": f"{begin}", "end": f"{end}", "step": "5"}
        for found in client.get("/api/v1/query_range", params=asked).json()["data"]["result"]:
            label = query.legend
            for name, value in found["metric"].items():
                label = label.replace("{{" + name + "}}", value)
            points = [(float(at) - begin, float(value)) for at, value in found["values"]]
            yield label, [at for at, _ in points], [value for _, value in points]


def draw(board: Board, client: httpx2.Client, begin: float, end: float, to: Path) -> None:
    """The board as a picture."""
    panels = [(row.title, panel) for row in board.rows for panel in row.panels]
    columns = 4
    figure, axes = plt.subplots(
        math.ceil(len(panels) / columns), columns, figsize=(20, 3.4 * math.ceil(len(panels) / columns))
    )
    for place in axes.flat[len(panels) :]:
        place.set_axis_off()
    for place, (row, panel) in zip(axes.flat, panels, strict=False):
        _panel(place, panel, list(series(client, panel, begin, end)))
        place.set_title(f"{row}  {panel.title}", fontsize=9, loc="left")
    figure.suptitle(board.title, fontsize=13)
    figure.tight_layout()
    figure.savefig(to, dpi=70)
    plt.close(figure)


def _panel(place: Any, panel: Panel, lines: list[tuple[str, list[float], list[float]]]) -> None:
    if panel.kind == "heatmap":
        ranges = sorted(lines, key=lambda line: float(line[0]))
        counts = [values for _, _, values in ranges]
        cells = [[max(0.0, high - low) for high, low in zip(up, down, strict=False)] for up, down in zip(counts, [[0.0] * len(counts[0]), *counts], strict=False)]  # fmt: skip
        place.imshow(cells, aspect="auto", origin="lower", cmap="magma")
        place.set_yticks(range(len(ranges)), [name for name, _, _ in ranges], fontsize=6)
    elif panel.kind == "table":
        place.set_axis_off()
        for at, (name, _, _) in enumerate(lines):
            place.text(0.02, 0.85 - 0.15 * at, name, fontsize=9)
    else:
        for name, at, values in lines[:12]:
            place.plot(at, values, label=name, linewidth=1.2)
        place.set_ylim(bottom=0)
        place.legend(fontsize=6, loc="upper left")
    place.tick_params(labelsize=7)
    place.set_ylabel({"s": "seconds", "reqps": "per second", "percentunit": "share"}.get(panel.unit, ""), fontsize=7)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.pictures", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long documents are made")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as home, twin(Path(home)) as urls, prometheus(urls, Path(home)) as url:
        time.sleep(3)
        begin = time.time()
        busy(urls["orchestrator"], seconds)
        time.sleep(3)
        with httpx2.Client(base_url=url) as client:
            for name, board in BOARDS.items():
                to = REPOSITORY / "docs" / "images" / f"board-{name}.png"
                draw(board, client, begin, time.time(), to)
                print(to.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
