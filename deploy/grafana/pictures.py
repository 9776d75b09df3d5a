"""`python -m deploy.grafana.pictures`: draw the boards' panels from a real Prometheus that looked at a real stack.

Brings up the twin of docker-compose.yml, lets it make documents for some minutes, runs a short GRPO of the small
critic for the training board, and draws what each panel's queries return: docs/images/board-*.png. Grafana draws them finer; this is what stands in them. Deliberately not here: the
boards (`boards`) and the stack (`deploy.twin`).
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
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
SETS = [
    "--planner",
    "0",
    "--critic",
    "300",
    "--rl",
    "48",
    "--seed",
    "3",
    "--generator",
    "checkpoints/smallworld/generator",
]
RUNS = (
    (
        "sft",
        "critic_sft",
        "Interleave-Critic-SFT",
        ["samples=640", "log_every=2", "eval_every=10", "held_out_limit=64"],
    ),
    (
        "grpo",
        "critic_rl",
        "Interleave-Critic-RL",
        ["grpo.steps=12", "grpo.held_out=0", 'generator.directories=["checkpoints/smallworld/generator"]'],
    ),
)
"""Kind, recipe, data set and what is set for a run of a minute."""
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


def plain(expr: str) -> str:
    """The query as Grafana would send it, all values of its variables chosen."""
    return expr.replace("$__rate_interval", INTERVAL).replace("$generator", ".*").replace("$run", ".*")


@contextmanager
def runs_of_training(home: Path) -> Iterator[tuple[dict[str, str], list[subprocess.Popen[bytes]]]]:
    """A short SFT and a short GRPO run of the small world's critic: the URLs of their metrics, and the processes."""
    made = [sys.executable, "-m", "training", "synthesize", "--out", str(home / "data"), *SETS]
    subprocess.run(made, cwd=REPOSITORY, check=True)
    base = REPOSITORY / "checkpoints" / "smallworld" / "critic"
    with ExitStack() as down:
        urls, processes = {}, []
        for kind, recipe, data, more in RUNS:
            with closing(socket.socket()) as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            said = [f"base={base}", f"data={home / 'data' / data}", f"held_out={home / 'data' / data}", *more]
            words = [word for each in said for word in ("--set", each)]
            file = f"training/recipes/{recipe}.cpu.toml"
            log = down.enter_context((home / f"{kind}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "training", kind, "--recipe", file, "--out", str(home / f"critic-{kind}"), *words],
                cwd=REPOSITORY, stdout=log, stderr=log,
                env={**os.environ, "INTERLEAVETHINKER_TRAINING__METRICS_PORT": str(port)},
            )  # fmt: skip
            down.callback(process.wait)
            down.callback(process.terminate)
            processes.append(process)
            urls[f"training-{kind}"] = f"http://127.0.0.1:{port}"
        yield urls, processes


def series(
    client: httpx2.Client, panel: Panel, begin: float, end: float
) -> Iterator[tuple[str, list[float], list[float]]]:
    """Each line of a panel: its name, seconds since the beginning, values."""
    for query in panel.queries:
        asked = {"query": plain(query.expr), "start": f"{begin}", "end": f"{end}", "step": "5"}
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
        if panel.floor is not None:
            place.set_ylim(bottom=panel.floor)
        place.legend(fontsize=6, loc="upper left")
    place.tick_params(labelsize=7)
    place.set_ylabel({"s": "seconds", "reqps": "per second", "percentunit": "share"}.get(panel.unit, ""), fontsize=7)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.pictures", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long documents are made")
    parser.add_argument("--boards", choices=BOARDS, nargs="+", default=list(BOARDS), help="only these")
    chosen = parser.parse_args()
    if served := [name for name in chosen.boards if name != "training"]:
        _of_services(chosen.seconds, served)
    if "training" in chosen.boards:
        _of_training()


def _of_training() -> None:
    with tempfile.TemporaryDirectory() as home, runs_of_training(Path(home)) as (urls, processes):
        with prometheus(urls, Path(home)) as url:
            begin = time.time()
            while any(process.poll() is None for process in processes):
                time.sleep(1)
            _pictures(["training"], url, begin)
        if any(process.returncode for process in processes):
            sys.exit("\n".join(path.read_text()[-2000:] for path in Path(home).glob("*.log")))


def _of_services(seconds: float, names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as home, twin(Path(home)) as urls, prometheus(urls, Path(home)) as url:
        time.sleep(3)
        begin = time.time()
        busy(urls["orchestrator"], seconds)
        time.sleep(3)
        _pictures(names, url, begin)


def _pictures(names: list[str], url: str, begin: float) -> None:
    with httpx2.Client(base_url=url) as client:
        for name in names:
            to = REPOSITORY / "docs" / "images" / f"board-{name}.png"
            draw(BOARDS[name], client, begin, time.time(), to)
            print(to.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
