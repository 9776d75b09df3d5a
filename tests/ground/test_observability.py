"""Boards and rules against the code: Prometheus' own tools read them, and a real Prometheus answers every panel."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import yaml
from prometheus_client import REGISTRY

from deploy.grafana.boards import BOARDS, grafana, kubernetes
from deploy.twin import REPOSITORY
from tests.ground.conftest import Stack, ask

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules" / "interleavethinker.yml"
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not here: apt install prometheus")

PANELS = [
    pytest.param(query.expr, id=f"{name}: {panel.title}: {query.legend}")
    for name, board in BOARDS.items()
    for row in board.rows
    for panel in row.panels
    for query in panel.queries
]


def plain(expr: str) -> str:
    """The query as Grafana sends it."""
    return expr.replace("$__rate_interval", "1m").replace("$generator", ".*").replace("$run", ".*")


def promtool(*arguments: str, cwd: Path = PROMETHEUS) -> None:
    ran = subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def exported() -> set[str]:
    """Every sample's name that the code can export."""
    import services.critic_service.service
    import services.generator_service.metrics
    import services.orchestrator.metrics
    import services.planner_service.service  # noqa: F401
    import training.metrics  # noqa: F401

    names = {"up"}
    for family in REGISTRY.collect():
        names |= {family.name, *(sample.name for sample in family.samples)}
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
        names |= {family.name + suffix for suffix in suffixes.get(family.type, [])}
    return names


def named(expr: str) -> set[str]:
    return set(re.findall(r"\b(interleavethinker_\w+|up)\b", expr))


@needs_promtool
def test_config_and_rules_are_valid():
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    promtool("check", "rules", "rules/interleavethinker.yml")
    promtool("test", "rules", "tests.yml")


@needs_promtool
def test_every_query_parses(tmp_path: Path):
    rules = [{"record": f"a:b{number}", "expr": plain(each.values[0])} for number, each in enumerate(PANELS)]  # type: ignore[arg-type]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "rules.yml"))


@pytest.mark.parametrize("expr", PANELS)
def test_panels_name_what_is_exported(expr: str):
    assert named(expr) and named(expr) <= exported()


def test_rules_name_what_is_exported_and_alerts_are_in_the_runbook():
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    runbook = (REPOSITORY / "docs" / "runbook.md").read_text()
    for rule in rules:
        assert named(rule["expr"]) <= exported(), rule
        if alert := rule.get("alert"):
            assert f"\n## {alert}\n" in runbook
            assert rule["annotations"]["runbook"] == f"docs/runbook.md#{alert.lower()}"


@pytest.mark.parametrize("name", BOARDS)
def test_the_boards_are_those_described(name: str):
    committed = json.loads((REPOSITORY / "deploy/grafana/dashboards" / f"{name}.json").read_text())
    assert committed == grafana(BOARDS[name]), "python -m deploy.grafana.boards"


@pytest.mark.parametrize(("name", "text"), kubernetes().items())
def test_the_clusters_manifests_say_the_same(name: str, text: str):
    committed = (REPOSITORY / "deploy/k8s/components/monitoring" / name).read_text()
    assert committed == text, "python -m deploy.grafana.boards"


@pytest.fixture(scope="module")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has looked at the stack a few times, and at a second document in the making."""
    if not (binary := shutil.which("prometheus")):
        pytest.skip("Prometheus is not here: apt install prometheus")
    home = tmp_path_factory.mktemp("prometheus")
    config = {
        "global": {"scrape_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "interleavethinker",
                "static_configs": [
                    {"targets": [url.removeprefix("http://")], "labels": {"service": name}}
                    for name, url in stack.urls.items()
                ],
            }
        ],
    }
    (home / "prometheus.yml").write_text(yaml.safe_dump(config))
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [
        f"--config.file={home}/prometheus.yml",
        f"--storage.tsdb.path={home}/data",
        f"--web.listen-address={address}",
    ]
    with (home / "log").open("wb") as log, subprocess.Popen([binary, *words], stdout=log, stderr=log) as server:
        try:
            time.sleep(4)
            ask(stack.urls, 2)
            time.sleep(4)
            yield f"http://{address}"
        finally:
            server.terminate()


@pytest.mark.slow
@pytest.mark.redis
def test_every_panel_has_data_after_a_document(prometheus: str):
    empty = []
    with httpx2.Client(base_url=prometheus) as client:
        for each in PANELS:
            if "interleavethinker_training_" in each.values[0]:  # type: ignore[operator]
                continue  # test_training_board.py has these
            answer = client.get("/api/v1/query", params={"query": plain(each.values[0])}).json()  # type: ignore[arg-type]
            if answer["status"] != "success" or not answer["data"]["result"]:
                empty.append((each.id, answer))
        rules = client.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]
    assert not empty
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
