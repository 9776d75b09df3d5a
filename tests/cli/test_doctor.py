"""`doctor`: what is well is said so, and what is wrong is named with its fix."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interleavethinker.doctor.gpu import gpu
from interleavethinker.doctor.models import models
from interleavethinker.doctor.remote import service
from interleavethinker.doctor.stores import database
from tests.cli.spoken import ROOT, say
from tests.newcomer.orchestra import orchestra
from tests.scripted import ScriptedChat
from tests.servers.openai_server import OpenAIServer

CHECKPOINT = ROOT / "checkpoints" / "smallworld" / "planner"


def findings(**environment: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    done = say("doctor", "--json", **environment)
    told = json.loads(done.stdout)
    assert told["ok"] is (done.returncode == 0)
    found: dict[str, list[dict[str, Any]]] = {}
    for each in told["findings"]:
        assert each["fix"] or each["level"] != "wrong", f"{each} says no fix"
        found.setdefault(each["about"], []).append(each)
    return done.returncode, found


@pytest.fixture
def ports(free_port: Callable[[], int]) -> dict[str, str]:
    """Ports of the test's own, so that a stack on this machine is not in its way."""
    return {
        f"INTERLEAVETHINKER_{name}__PORT": str(free_port())
        for name in ("ORCHESTRATOR", "PLANNER", "CRITIC", "GENERATOR")
    }


def test_a_machine_that_is_set_up_is_well(ports: dict[str, str], tmp_path: Path):
    code, found = findings(**ports)
    assert code == 0, found
    for about in (
        "versions",
        "settings",
        "planner",
        "critic",
        "generator",
        "gpu",
        "redis",
        "database",
        "disk",
        "ports",
    ):
        assert {each["level"] for each in found[about]} <= {"ok", "note"}, found[about]
    assert "9 files as they were written, trained on pack compact" in found["planner"][0]["found"]
    assert not (tmp_path / "state").exists(), "it makes nothing"


@pytest.mark.slow
def test_what_is_wrong_is_named_with_its_fix(ports: dict[str, str], free_port: Callable[[], int], tmp_path: Path):
    damaged = tmp_path / "planner"
    shutil.copytree(CHECKPOINT, damaged)
    (damaged / "tokenizer.json").write_text("{}")
    taken = ports["INTERLEAVETHINKER_PLANNER__PORT"]
    journal = tmp_path / "journal.db"
    with sqlite3.connect(journal) as db:
        db.execute("CREATE TABLE alembic_version (version_num TEXT)")
        db.execute("INSERT INTO alembic_version VALUES ('of_next_year')")
    with socket.create_server(("127.0.0.1", int(taken))):
        code, found = findings(
            **ports,
            INTERLEAVETHINKER_PLANNER__MODEL=str(damaged),
            INTERLEAVETHINKER_CRITIC__PACK="standard",
            INTERLEAVETHINKER_GENERATOR__MODEL="checkpoints/none",
            INTERLEAVETHINKER_REDIS__URL=f"redis://:secret@127.0.0.1:{free_port()}/0",
            INTERLEAVETHINKER_ORCHESTRATOR__JOURNAL=f"sqlite:///{journal}",
        )
    assert code == 1
    assert "tokenizer.json is not the file that was written" in found["planner"][0]["found"]
    assert "was trained on prompt pack 'compact'" in found["critic"][0]["found"]
    assert found["critic"][0]["fix"] == "set INTERLEAVETHINKER_CRITIC__PACK=compact"
    assert "make train-generator" in found["generator"][0]["fix"]
    assert "does not answer" in found["redis"][0]["found"]
    assert "secret" not in json.dumps(found)
    assert "of_next_year, which this version does not know" in found["database"][0]["found"]
    assert "INTERLEAVETHINKER_PLANNER__PORT" in found["ports"][0]["fix"]


def test_a_wrong_setting_is_told_once_and_the_rest_is_still_looked_at():
    code, found = findings(INTERLEAVETHINKER_PLANNER__PROT="9")
    assert code == 1
    assert "INTERLEAVETHINKER_PLANNER__PORT" in found["settings"][0]["found"]
    assert len(found["settings"]) == 1
    assert found["critic"][0]["level"] == "ok"
    assert say("doctor", INTERLEAVETHINKER_PLANNER__PROT="9").stdout.splitlines()[-1] == "1 to mend"


def model(backend: str, name: str, **facts: Any) -> tuple[str, str]:
    (found,) = models({"generator": {"backend": backend, "model": name, **facts}})
    return found.level, found.found + found.fix


def test_models_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert "names no commit" in model("diffusers", "owner/name", pinned=True)[1]
    assert model("diffusers", "owner/name@abcdef0", pinned=True)[0] == "note"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    level, told = model("diffusers", "owner/name@abcdef0", pinned=True)
    assert (level, told.endswith("hf download owner/name --revision abcdef0")) == ("wrong", True)
    (tmp_path / "models--owner--name" / "snapshots" / "abcdef0123").mkdir(parents=True)
    assert model("diffusers", "owner/name@abcdef0", pinned=True)[0] == "ok"
    assert model("somewhere_else", "x")[0] == "note"
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "model.bin").write_bytes(b"")
    assert "only safetensors and data" in model("diffusers", str(tmp_path / "loose"))[1]


def test_models_behind_a_url(free_port: Callable[[], int]):
    with OpenAIServer(ScriptedChat("")).serving() as server:
        served = server.chat.model
        assert model("openai", served, base_url=server.url)[0] == "ok"
        level, told = model("openai", "another", base_url=server.url)
        assert (level, f"but {served}" in told) == ("wrong", True)
    level, told = model("openai", "x", base_url=f"http://127.0.0.1:{free_port()}/v1")
    assert (level, "vllm serve x" in told) == ("wrong", True)


def test_a_card_that_is_wanted_and_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = gpu({"generator": {"backend": "diffusers", "device": "cuda", "model": "x"}})
    assert (finding.level, "INTERLEAVETHINKER_GENERATOR__DEVICE=cpu" in finding.fix) == ("wrong", True)
    (finding,) = gpu({"critic": {"backend": "local", "device": "cpu"}, "planner": {"backend": "openai"}})
    assert finding.level == "ok"


def test_a_card_is_seen_and_this_torch_cannot_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'A Card, 1000, 900'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch has a card here")
    (finding,) = gpu({"generator": {"backend": "diffusers", "device": "auto", "model": "x"}})
    assert "A Card, but" in finding.found


def test_databases():
    def told(**journal: Any) -> str:
        (found,) = database({"url": "u", "newest": "b", **journal})
        return found.level

    assert [told(state=state) for state in ("right", "absent", "older", "unknown", "away")] == [
        "ok", "ok", "note", "wrong", "wrong",
    ]  # fmt: skip
    assert list(database(None)) == []


def test_a_service_is_looked_at_by_its_url(tmp_path: Path, free_port: Callable[[], int]):
    (gone,) = service(f"http://127.0.0.1:{free_port()}", None)
    assert (gone.level, "does not answer" in gone.found) == ("wrong", True)
    with orchestra(tmp_path / "open") as url:
        (well,) = service(url, None)
        assert well.level == "ok", well
    with orchestra(tmp_path / "shut", auth="keys") as url:
        (shut,) = service(url, None)
        assert "INTERLEAVETHINKER_API_KEY" in shut.fix
