"""`python -m deploy.grafana.waterfall`: draw the trace of one real small document: docs/images/trace.png.

Brings up the twin of docker-compose.yml with a collector of this process behind OTEL_EXPORTER_OTLP_ENDPOINT, has one
document made, and draws its spans as Grafana's trace view orders them. Deliberately not here: what makes spans
(interleavethinker/tracing.py, services/orchestrator/traced.py).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import httpx2
import matplotlib as mpl

from deploy.twin import REPOSITORY, twin
from tests.servers.collector import Collector, Seen, collecting

mpl.use("Agg")
from matplotlib import pyplot as plt

WISH = "How do I draw a snowman with a red hat, step by step?"
COLOURS = {
    "orchestrator": "#4c6ef5",
    "planner": "#12b886",
    "critic": "#f59f00",
    "generator": "#be4bdb",
    "generator_worker": "#e64980",
}


def in_order(spans: list[Seen], parent: str = "", depth: int = 0) -> list[tuple[int, Seen]]:
    """Each span below its parent, by their start, with its depth."""
    found: list[tuple[int, Seen]] = []
    for span in (each for each in spans if each.parent == parent):
        found += [(depth, span), *in_order(spans, span.span_id, depth + 1)]
    return found


def draw(spans: list[Seen], out: Path) -> None:
    rows = in_order(spans)
    began = rows[0][1].start
    figure, axes = plt.subplots(figsize=(13, 0.22 * len(rows) + 1.5), constrained_layout=True)
    last = max(span.end for _, span in rows) - began
    for place, (depth, span) in enumerate(rows):
        start, length = span.start - began, span.end - span.start
        axes.barh(place, max(length, last / 600), left=start, height=0.72, color=COLOURS[span.service])
        axes.text(-0.42 * last + depth * 0.014 * last, place, span.name, va="center", fontsize=7.5)
        axes.text(start + length + 0.004 * last, place, f"{1000 * length:.0f} ms", va="center", fontsize=6.5)
    axes.set(xlim=(-0.43 * last, 1.06 * last), ylim=(len(rows) - 0.4, -0.6), yticks=[], xlabel="seconds")
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= last])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(f"One document, one trace: {len(rows)} spans of five processes", loc="left", fontsize=10)
    handles = [mpl.patches.Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    figure.savefig(out, dpi=110)


def one_document(collector: Collector) -> list[Seen]:
    os.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with tempfile.TemporaryDirectory() as home, twin(Path(home)) as urls:
        for seed in (1, 2):  # the first one finds every cache empty; the second is drawn
            with httpx2.Client(base_url=urls["orchestrator"], timeout=180) as client:
                made = client.post("/interleave", json={"prompt": WISH, "seed": seed}, headers={"Prefer": "wait=150"})
            run_id = made.raise_for_status().json()["id"]
        root = collector.await_span("run", interleavethinker__run_id=run_id)
        time.sleep(2)  # each part sends in its own time
    return collector.trace(root.trace_id)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.waterfall", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "images" / "trace.png")
    chosen = parser.parse_args()
    with collecting() as collector:
        draw(one_document(collector), chosen.out)
    print(f"drawn: {chosen.out}")


if __name__ == "__main__":
    main()
