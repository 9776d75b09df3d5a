"""`python -m deploy.grafana.boards`: write Grafana's dashboards from the short description below.

Grafana's JSON is long and says each thing many times; here a panel is a title, what it answers, and its queries. The
JSON beside this file is what Grafana reads, and a test holds the two together. Deliberately not here: alerts
(`deploy/prometheus/rules`) and the metrics' own names (`interleavethinker/telemetry.py` and each service's `metrics`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
WIDTH = 24
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}


class Query(NamedTuple):
    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """`unit` is Grafana's name of it: s, reqps, percentunit, short, bytes. `kind`: timeseries, stat, heatmap, bargauge,
    table."""

    title: str
    answers: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    floor: float | None = 0
    """Where the axis begins; None: wherever the values do."""


class Row(NamedTuple):
    title: str
    panels: tuple[Panel, ...]


class Board(NamedTuple):
    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[tuple[str, str], ...] = ()
    """Names of variables and the queries that list their values."""


def percentiles(
    metric: str, by: str = "", where: str = "", shares: tuple[float, ...] = (0.5, 0.95)
) -> tuple[Query, ...]:
    """One query a percentile of a histogram, over the board's own interval."""
    groups = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by ({groups}) (rate({metric}_bucket{where}[$__rate_interval])))",
            f"p{share * 100:g}{legend}",
        )
        for share in shares
    )


def share(part: str, whole: str) -> str:
    return f"sum(rate({part}[$__rate_interval])) / sum(rate({whole}[$__rate_interval]))"


def per_second(metric: str, by: str) -> Query:
    return Query(f"sum by ({by}) (rate({metric}[$__rate_interval]))", f"{{{{{by}}}}}")


STEP = "interleavethinker_step_seconds"
CHOSEN = '{generator=~"$generator"}'

OVERVIEW = Board(
    "interleavethinker-overview",
    "InterleaveThinker: overview",
    "Is it up, how fast, how good, how busy, why slow: a row for each question.",
    (
        Row(
            "Is it up?",
            (
                Panel("Services", "Which replicas answer.", (Query('min by (service) (up{job="interleavethinker"})', "{{service}}"),), kind="stat", width=6, height=5),
                Panel("Workers alive", "Workers with their model loaded.", (Query("max(interleavethinker_draw_workers)", "workers"),), kind="stat", width=3, height=5),
                Panel("Services away", "Which the orchestrator cannot reach: runs wait for these.", (Query("max by (url) (interleavethinker_service_away)", "{{url}}"),), kind="stat", width=6, height=5),
                Panel("Runs ended", "By final status.", (per_second("interleavethinker_runs_total", "status"),), "reqps", width=9, height=5),
            ),
        ),
        Row(
            "How fast?",
            (
                Panel("A whole document", "From the asking to the end.", percentiles("interleavethinker_document_seconds"), "s"),
                Panel("The first picture", "From the asking to the first drawing that can be seen.", percentiles("interleavethinker_first_picture_seconds"), "s"),
                Panel("Answers of the API", "p95, until the last byte (streams and waits are as long as their runs).", (Query('histogram_quantile(0.95, sum by (le, route) (rate(interleavethinker_http_request_seconds_bucket{service="orchestrator"}[$__rate_interval])))', "{{route}}"),), "s"),
            ),
        ),
        Row(
            "How good?",
            (
                Panel("Accepted drawings", "The share of verdicts that accept, and of those that could not be read (abstain).", (Query(share('interleavethinker_verdicts_total{service="orchestrator",outcome="accept"}', 'interleavethinker_verdicts_total{service="orchestrator"}'), "accept"), Query(share('interleavethinker_verdicts_total{service="orchestrator",outcome="abstain"}', 'interleavethinker_verdicts_total{service="orchestrator"}'), "abstain")), "percentunit", width=6),
                Panel("Attempts a step", "How often a step was drawn until it was settled.", (Query("sum(rate(interleavethinker_step_attempts_sum[$__rate_interval])) / sum(rate(interleavethinker_step_attempts_count[$__rate_interval]))", "mean"), *percentiles("interleavethinker_step_attempts", shares=(0.95,))), width=6),
                Panel("Answers that cannot be read", "By role and reason; a rise after a release is a prompt pack that does not fit.", (Query("sum by (role, reason) (increase(interleavethinker_malformed_answers_total[$__rate_interval]))", "{{role}}: {{reason}}"),), width=6),
                Panel("Drift", "Distance of each picture from its document's anchor, or first one: colour (style, palette) and layout (all that changed); 0 is alike, 1 as far as can be.", percentiles("interleavethinker_drift", "measure"), width=6),
            ),
        ),
        Row(
            "How busy?",
            (
                Panel("Runs under way", "By replica.", (Query("sum by (instance) (interleavethinker_runs_under_way)", "{{instance}}"),)),
                Panel("Drawings that wait", "By priority: speculative ones wait behind all others.", (Query("max by (priority) (interleavethinker_draw_queue_length)", "{{priority}}"),)),
                Panel("Drawings", "A second, by what came of them.", (per_second("interleavethinker_draws_total", "outcome"),), "reqps"),
            ),
        ),
        Row(
            "Why slow?",
            (
                Panel("Where the time goes", "Seconds of each second, by phase: the tallest one is the one to look at (step latency board).", (Query(f"sum by (phase) (rate({STEP}_sum[$__rate_interval]))", "{{phase}}"),), "s", width=8),
                Panel("Waiting for absent services", "Seconds that runs waited, a second.", (Query("sum by (wanted) (rate(interleavethinker_waited_seconds_total[$__rate_interval]))", "{{wanted}}"),), "s", width=4),
                Panel("Runs taken over", "From replicas that fell silent.", (Query("sum(increase(interleavethinker_takeovers_total[$__rate_interval]))", "take-overs"),), width=4),
                Panel("Hints", "Speculative drawings: given, used, withdrawn.", (per_second("interleavethinker_hints_total", "outcome"),), "reqps", width=4),
                Panel("Judged ahead", "Verdicts before their turn: begun, used, in vain.", (per_second("interleavethinker_judged_ahead_total", "outcome"),), "reqps", width=4),
            ),
        ),
    ),
)  # fmt: skip

LATENCY = Board(
    "interleavethinker-step-latency",
    "InterleaveThinker: step latency",
    "Each step's time, by phase, step, attempt and generator.",
    (
        Row(
            "By phase",
            tuple(
                Panel(title, answers, percentiles(STEP, where=f'{{phase="{phase}"{rest}}}', shares=(0.5, 0.9, 0.99)), "s", width=6)
                for phase, title, answers, rest in (
                    ("plan", "Plan", "The planner's whole answer; drawing begins before it ends.", ""),
                    ("queue", "Queue", "Until a worker took the drawing: more workers help.", ',generator=~"$generator"'),
                    ("draw", "Draw", "The generator's own time.", ',generator=~"$generator"'),
                    ("judge", "Judge", "The critic's answer, to its last token or to its accept.", ',generator=~"$generator"'),
                )
            ),
        ),
        Row(
            "By step, attempt and generator",
            (
                Panel("By step", "p95 of draw: later steps edit, the first draws from text.", percentiles(STEP, "step", '{phase="draw",generator=~"$generator"}', (0.95,)), "s"),
                Panel("By attempt", "p95 of draw.", percentiles(STEP, "attempt", '{phase="draw",generator=~"$generator"}', (0.95,)), "s"),
                Panel("By generator", "p95 of draw.", percentiles(STEP, "generator", '{phase="draw",generator=~"$generator"}', (0.95,)), "s"),
            ),
        ),
        Row(
            "How it is spread",
            tuple(
                Panel(f"{phase.capitalize()}: heat map", "Each column is a moment, each row a range of seconds.", (Query(f'sum by (le) (increase({STEP}_bucket{{phase="{phase}"}}[$__rate_interval]))', "{{le}}"),), "s", "heatmap")
                for phase in ("queue", "draw", "judge")
            ),
        ),
    ),
    (("generator", f'label_values({STEP}_count{{phase="draw"}}, generator)'),),
)  # fmt: skip

POOL = Board(
    "interleavethinker-generators",
    "InterleaveThinker: generator pool",
    "Workers, their queue, and what they draw.",
    (
        Row(
            "Workers",
            (
                Panel("Alive", "Workers with their model loaded.", (Query("max(interleavethinker_draw_workers)", "workers"),), kind="stat", width=4),
                Panel("What is loaded", "As verified when the worker started: a silent fall-back shows here.", (Query("max by (backend, model, device, dtype) (interleavethinker_serving_info{service=\"generator\"} or interleavethinker_serving_info{exported_service=\"generator\"})", "{{model}} {{device}} {{dtype}}"),), kind="table", width=10),
                Panel("Last sign", "Seconds since each worker's last sign of life; it is gone after generator.lease_seconds.", (Query("max by (worker) (interleavethinker_draw_worker_silence_seconds)", "{{worker}}"),), "s"),
                Panel("Memory", "Of each worker: of its process, and of its GPU, used and there.", (Query("max by (worker, kind) (interleavethinker_draw_worker_memory_bytes)", "{{worker}} {{kind}}"),), "bytes"),
                Panel("How busy", "Share of the workers' time spent drawing.", (Query('sum(rate(interleavethinker_work_seconds_sum{role="generator"}[$__rate_interval])) / max(interleavethinker_draw_workers)', "busy"),), "percentunit"),
            ),
        ),
        Row(
            "Drawings",
            (
                Panel("Waiting", "By priority.", (Query("max by (priority) (interleavethinker_draw_queue_length)", "{{priority}}"),)),
                Panel("Time in the queue", "Seconds.", percentiles("interleavethinker_draw_queue_seconds"), "s"),
                Panel("Time to draw", "Seconds, of those that succeeded.", percentiles("interleavethinker_work_seconds", where='{role="generator",outcome="ok"}'), "s"),
                Panel("What came of them", "A second.", (per_second("interleavethinker_draws_total", "outcome"),), "reqps"),
                Panel("Asked for", "A second: queued to be drawn, joined to what was drawn already, or answered at once.", (per_second("interleavethinker_draws_asked_total", "outcome"),), "reqps"),
                Panel("Answered without drawing", "The share of what was asked for that was there already.", (Query('sum(rate(interleavethinker_draws_asked_total{outcome="answered"}[$__rate_interval])) / sum(rate(interleavethinker_draws_asked_total[$__rate_interval]))', "answered"),), "percentunit"),
                Panel("Text cache", "Of the live workers, since each one started: the share of prompts whose embeddings were there already.", (Query('max(interleavethinker_text_cache_lookups{outcome="hits"}) / sum(max by (outcome) (interleavethinker_text_cache_lookups))', "hits"),), "percentunit"),
                Panel("Drawn in vain", "Seconds of drawing, a second: guesses that gave way or went unused, canceled, failed.", (Query("sum by (reason) (rate(interleavethinker_drawn_in_vain_seconds_total[$__rate_interval]))", "{{reason}}"),), "s"),
            ),
        ),
        Row(
            "Language models",
            (
                Panel("Written", "Tokens a second, by role.", (per_second("interleavethinker_tokens_total", "role"),)),
                Panel("Read and written", "Tokens a second, by service and model: input is what was read.", (Query("sum by (service, model, kind) (rate(interleavethinker_chat_tokens_total[$__rate_interval]))", "{{service}} {{model}} {{kind}}"),)),
                Panel("Time", "p95 of a whole answer, by role.", percentiles("interleavethinker_work_seconds", "role", '{role=~"planner|critic"}', (0.95,)), "s"),
            ),
        ),
    ),
)  # fmt: skip

TRAIN = "interleavethinker_training_"


def of_runs(metric: str, by: str = "") -> Query:
    """The last values of the runs that are chosen."""
    label = f" {{{{{by}}}}}" if by else ""
    groups = ", ".join(("kind", "run", *([by] if by else [])))
    return Query(f'max by ({groups}) ({TRAIN}{metric}{{run=~"$run"}})', "{{kind}} {{run}}" + label)


TRAINING = Board(
    "interleavethinker-training",
    "InterleaveThinker: training",
    "Does it learn, does it cheat, how long will it take: SFT and GRPO runs that serve their metrics (docs/training-on-gpus.md).",
    (
        Row(
            "How far?",
            (
                Panel("Steps taken", "Of the run's steps.", (Query(f'max by (kind, run) ({TRAIN}step{{run=~"$run"}}) / max by (kind, run) ({TRAIN}steps{{run=~"$run"}})', "{{kind}} {{run}}"),), "percentunit", "stat", width=6),
                Panel("Seconds a step", "GRPO's: asking, redrawing, scoring and learning.", (of_runs("step_seconds"),), "s", width=6),
                Panel("Learned from", "Answers (GRPO) or examples (SFT) since the process began.", (of_runs("samples_total"),), width=6),
                Panel("Learning rate", "As the schedule has it.", (of_runs("learning_rate"),), width=6),
            ),
        ),
        Row(
            "Does it learn?",
            (
                Panel("Loss", "SFT's falls; GRPO's means little by itself.", (of_runs("loss"),), floor=None),
                Panel("Held-out loss", "SFT: rising while the loss falls is learning by heart.", (of_runs("held_out_loss"),)),
                Panel("Token accuracy", "SFT: share of learned tokens that were foretold.", (of_runs("token_accuracy"),), "percentunit"),
                Panel("Reward", "GRPO: a step's mean, and each part of it.", (of_runs("reward", "part"),), floor=None),
                Panel("Right", "GRPO: share of right verdicts, on good and on bad drawings apart, and of redraws that mended theirs.", (Query(f'max by (kind, run, of) ({TRAIN}share{{run=~"$run",of=~"right_.*|fixed"}})', "{{kind}} {{run}} {{of}}"),), "percentunit"),
                Panel("Gradients' norm", "Before clipping; a sudden rise comes before a collapse.", (of_runs("grad_norm"),)),
            ),
        ),
        Row(
            "Does it cheat, or collapse?",
            (
                Panel("Accepted and unreadable", "All or nothing accepted pays without looking; unreadable answers should vanish early.", (Query(f'max by (kind, run, of) ({TRAIN}share{{run=~"$run",of=~"accepted|malformed|cut_off"}})', "{{kind}} {{run}} {{of}}"),), "percentunit"),
                Panel("KL to the start", "How far it has gone from the model that it started as.", (of_runs("kl"),)),
                Panel("Length of answers", "Tokens, mean.", (of_runs("answer_tokens"),)),
                Panel("Entropy", "Nats a token: towards zero, all answers to a question become the same.", (of_runs("entropy"),)),
                Panel("Groups that teach nothing", "All of their rewards are alike.", (Query(f'max by (kind, run) ({TRAIN}share{{run=~"$run",of="flat_groups"}})', "{{kind}} {{run}}"),), "percentunit"),
                Panel("Redraws dropped", "Since the process began: the generator or the judge failed, and the answer counts for nothing.", (of_runs("redraws_dropped_total"),)),
            ),
        ),
    ),
    (("run", f"label_values({TRAIN}step, run)"),),
)  # fmt: skip

BOARDS = {"overview": OVERVIEW, "step-latency": LATENCY, "generators": POOL, "training": TRAINING}


def grafana(board: Board) -> dict[str, Any]:
    """The board in Grafana's own words (schema 41)."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in board.rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})  # fmt: skip
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            panels.append(_panel(panel, len(panels) + 1, x, y))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["interleavethinker"],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [_variable(name, query) for name, query in board.variables]},
        "links": [{"type": "dashboards", "tags": ["interleavethinker"], "title": "Boards", "asDropdown": True}],
        "panels": panels,
    }


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.answers,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit} | ({} if panel.floor is None else {"min": panel.floor}) | {"custom": _CUSTOM.get(panel.kind, {})}, "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [_target(panel.kind, query, letter) for query, letter in zip(panel.queries, "ABCDEFGH", strict=False)],
    }  # fmt: skip


def _target(kind: str, query: Query, letter: str) -> dict[str, Any]:
    how: dict[str, Any] = {"heatmap": {"format": "heatmap"}, "table": {"format": "table", "instant": True}}.get(
        kind, {}
    )
    return {"refId": letter, "datasource": DATASOURCE, "expr": query.expr, "legendFormat": query.legend, **how}


def _variable(name: str, query: str) -> dict[str, Any]:
    return {"name": name, "type": "query", "datasource": DATASOURCE, "query": query, "refresh": 2, "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}  # fmt: skip


_CUSTOM = {"timeseries": {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}}
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
    "heatmap": {"calculate": False, "yAxis": {"unit": "s"}, "color": {"scheme": "Spectral", "mode": "scheme"}},
    "table": {"showHeader": True},
}


def kubernetes() -> dict[str, str]:
    """The boards and the alert rules once more, as the manifests that a cluster's Grafana and Prometheus operator read."""
    boards = {f"{name}.json": json.dumps(grafana(board), indent=1) + "\n" for name, board in BOARDS.items()}
    labels = {"grafana_dashboard": "1"}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "dashboards", "labels": labels},
        "data": boards,
    }
    spec = yaml.safe_load((HERE.parent / "prometheus" / "rules" / "interleavethinker.yml").read_text())
    rules = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "interleavethinker"},
        "spec": spec,
    }
    head = "# Written by `python -m deploy.grafana.boards`.\n"
    return {
        name: head + yaml.safe_dump(each, sort_keys=False, width=1000)
        for name, each in (("dashboards.yaml", config_map), ("rules.yaml", rules))
    }


def main() -> None:
    for name, board in BOARDS.items():
        (HERE / "dashboards" / f"{name}.json").write_text(json.dumps(grafana(board), indent=1) + "\n")
    for name, text in kubernetes().items():
        (HERE.parent / "k8s" / "components" / "monitoring" / name).write_text(text)


if __name__ == "__main__":
    main()
