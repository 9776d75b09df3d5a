"""docs/api.md names every endpoint and no other; its curl lines and the README's Python are what they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx2
from fastapi import FastAPI

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from interleavethinker.types import ImageJob
from services.critic_service.app import critic_app
from services.critic_service.service import CriticService
from services.critic_service.settings import CriticSettings
from services.generator_service.app import build_app
from services.generator_service.settings import GeneratorSettings
from services.orchestrator.app import create_app
from services.orchestrator.settings import OrchestratorSettings
from services.planner_service.app import planner_app
from services.planner_service.service import PlannerService
from services.planner_service.settings import PlannerSettings
from tests.newcomer.orchestra import orchestra
from tests.scripted import ScriptedChat

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
RESPONSES = (ROOT / "docs" / "openai-responses.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def services(home: Path) -> list[FastAPI]:
    blobs, pack = DirectoryBlobs(home), load_pack("compact")
    chat, planner, critic = ScriptedChat(""), PlannerSettings(), CriticSettings()
    return [
        create_app(OrchestratorSettings(journal=f"sqlite:///{home}/journal.db")),
        planner_app(PlannerService(chat, PlannerCodec(pack), blobs, planner)),
        critic_app(CriticService(chat, CriticCodec(pack), blobs, critic)),
        build_app(GeneratorSettings(), "redis://127.0.0.1:1/0", blobs),
    ]


def test_every_endpoint_is_described_and_no_other(tmp_path: Path):
    served = {
        f"{method.upper()} {path}"
        for app in services(tmp_path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    described = set(re.findall(r"^### ((?:GET|PUT|POST|PATCH|DELETE) /\S+)$", API + RESPONSES, re.MULTILINE))
    described |= set(re.findall(r"^- `(GET /\S+)`", API, re.MULTILINE))
    assert described == served


def test_the_curl_lines_to_the_orchestrator_are_answered(tmp_path: Path):
    """Every one that needs no run of ours is sent as it stands."""
    answered = []
    with orchestra(tmp_path) as url:
        for line in BASH.findall(API + README):
            words = shlex.split(line.replace("\\\n", ""))
            if words[1] == "localhost:8080/interleave":
                headers = dict(
                    word.split(": ", 1) for word, flag in zip(words[1:], words, strict=False) if flag == "-H"
                )
                body = words[words.index("-d") + 1]
                answered.append(httpx2.post(f"{url}/interleave", content=body, headers=headers, timeout=30).status_code)
    assert answered == [202, 422, 200]


def test_the_jobs_id_is_the_digest_of_its_body():
    found = re.search(r"curl -X PUT localhost:8083/v1/images/(\w+) .*?-d '(.*?)'", API, re.DOTALL)
    assert found
    assert ImageJob.model_validate_json(found[2]).id == found[1]


def test_the_readmes_python_runs(tmp_path: Path):
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    with orchestra(tmp_path / "orchestra") as url:
        done = subprocess.run(
            [sys.executable, "-c", code.replace("http://localhost:8080", url)],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "1 created"
    facts = json.loads((tmp_path / "out" / "snowman" / "document.json").read_text())
    assert facts["document"]["status"] == "succeeded"
