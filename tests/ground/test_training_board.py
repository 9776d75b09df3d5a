"""What training runs show: two steps of SFT and of GRPO, their /metrics, and the training board's queries on them."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import typer
from typer.testing import CliRunner

from deploy.grafana.boards import TRAINING
from deploy.grafana.pictures import plain, prometheus
from deploy.twin import REPOSITORY
from tests import tiny
from tests.training.sets import write_sets

pytestmark = pytest.mark.slow
SMALL = {
    "sft": {
        "pack": "compact", "epochs": "", "samples": 2, "batch": 1, "per_device_batch": 1, "token_weights": "",
        "log_every": 1, "threads": 1, "held_out_limit": 2,
    },
    "grpo": {
        "generator.directories": '["checkpoints/smallworld/generator"]', "held_out": "", "grpo.steps": 2,
        "grpo.prompts_per_step": 2, "grpo.group": 2, "grpo.answers_per_pass": 4, "grpo.max_tokens": 6,
        "grpo.save_every": 1,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the metrics of both runs are served."""
    from training.finetune_commands import register

    base, data = tiny.build(tmp_path_factory.mktemp("base")), write_sets(tmp_path_factory.mktemp("data"))
    home = tmp_path_factory.mktemp("runs")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    register(app := typer.Typer())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERLEAVETHINKER_TRAINING__METRICS_PORT", str(port))
        for kind, recipe in (("sft", "critic_sft"), ("grpo", "critic_rl")):
            said = {"base": base, "data": data} | ({"held_out": data} if kind == "sft" else {}) | SMALL[kind]
            words = [word for key, value in said.items() for word in ("--set", f"{key}={value}")]
            path = REPOSITORY / "training" / "recipes" / f"{recipe}.cpu.toml"
            result = CliRunner().invoke(
                app, [kind, "--recipe", str(path), "--out", str(home / f"small-{kind}"), *words]
            )
            assert result.exit_code == 0, result.output
    yield f"http://127.0.0.1:{port}"  # served until this process ends, as a run's are


def test_a_run_shows_its_steps_rewards_and_samples(trained: str):
    text = httpx2.get(f"{trained}/metrics").text
    for line in (
        'interleavethinker_training_step{kind="sft",run="small-sft"} 2.0',
        'interleavethinker_training_steps{kind="grpo",run="small-grpo"} 2.0',
        'interleavethinker_training_samples_total{kind="sft",run="small-sft"} 2.0',
        'interleavethinker_training_samples_total{kind="grpo",run="small-grpo"} 8.0',
        'interleavethinker_training_redraws_dropped_total{kind="grpo",run="small-grpo"} 0.0',
    ):
        assert line in text
    for part in ("total", "format", "accuracy", "step"):
        assert f'interleavethinker_training_reward{{kind="grpo",part="{part}",run="small-grpo"}}' in text


def test_every_panel_of_the_training_board_has_data(trained: str, tmp_path: Path):
    if not shutil.which("prometheus"):
        pytest.skip("Prometheus is not here: apt install prometheus")
    with prometheus({"training": trained}, tmp_path) as url, httpx2.Client(base_url=url) as client:
        until_up(client)
        empty = []
        for panel in (panel for row in TRAINING.rows for panel in row.panels):
            for query in panel.queries:
                answer = client.get("/api/v1/query", params={"query": plain(query.expr)}).json()
                if not answer["data"]["result"]:
                    empty.append((panel.title, query.expr))
    assert [title for title, _ in empty] == [], empty


def until_up(client: httpx2.Client) -> None:
    """Wait for Prometheus, and for its first look at the run."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            answer = client.get("/api/v1/query", params={"query": "interleavethinker_training_step"})
            if answer.json()["data"]["result"]:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.5)


def test_a_port_that_is_taken_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from interleavethinker.errors import BadSettings
    from training.metrics import shown

    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("INTERLEAVETHINKER_TRAINING__METRICS_PORT", str(taken.getsockname()[1]))
        assert shown("sft", tmp_path, 1, first=False) == []
        with pytest.raises(BadSettings, match=r"training.metrics_port: 127.0.0.1:\d+ cannot be had"):
            shown("sft", tmp_path, 1, first=True)
    monkeypatch.delenv("INTERLEAVETHINKER_TRAINING__METRICS_PORT")
    assert shown("sft", tmp_path, 1, first=True) == []
