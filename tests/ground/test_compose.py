"""The compose file, read by docker compose itself (no engine is needed), against the code it starts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from deploy.docker.requirements import required
from deploy.twin import OURS, REPOSITORY, described
from interleavethinker.chat.presets import presets
from interleavethinker.settings import BlobSettings, InternalSettings, RedisSettings, load_section
from interleavethinker.telemetry import LogSettings
from services.critic_service.settings import CriticSettings
from services.generator_service.settings import GeneratorSettings
from services.orchestrator.settings import OrchestratorSettings
from services.planner_service.settings import PlannerSettings

GPU_FILES = ("deploy/compose/gpu.env", "deploy/compose/gpu-80gb.env", "deploy/compose/gpu-2x24gb.env")
GPU = ("--env-file", GPU_FILES[0])
WAYS = {
    "alone": (),
    "observed": ("--profile", "observability"),
    "gpu": GPU,
    "gpu, said twice": (*GPU, "--profile", "gpu"),
    "gpu, observed": (*GPU, "--profile", "gpu", "--profile", "observability"),
    "one GPU of 80 GB": ("--env-file", "deploy/compose/gpu-80gb.env"),
    "two GPUs of 24 GB": ("--env-file", "deploy/compose/gpu-2x24gb.env"),
    "example": ("--env-file", ".env.example"),
}
SECTIONS: dict[str, Any] = {
    "planner": PlannerSettings,
    "critic": CriticSettings,
    "generator": GeneratorSettings,
    "orchestrator": OrchestratorSettings,
    "blobs": BlobSettings,
    "redis": RedisSettings,
    "internal": InternalSettings,
    "log": LogSettings,
}
FOREIGN = {
    "OMP_NUM_THREADS",
    "HF_TOKEN",
    "HF_HUB_OFFLINE",
    "PGPASSWORD",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
}
"""What our services' environments hold beside our own names: read by the libraries they use."""


@pytest.fixture(scope="module", params=WAYS.values(), ids=list(WAYS))
def services(request: pytest.FixtureRequest) -> dict[str, Any]:
    return described(*request.param)["services"]


def ours(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if OURS.match((service.get("command") or [""])[0])}


def test_every_part_is_there():
    plain, gpu = set(described()["services"]), set(described(*GPU)["services"])
    assert plain == {"postgres", "redis", "planner", "critic", "generator", "worker", "orchestrator"}
    assert gpu - plain == {"vllm", "language-cache", "worker-gpu"}
    assert described(*GPU)["services"]["worker"]["deploy"]["replicas"] == 0, "the small worker stands aside"


def test_commands_are_modules_of_ours(services: dict[str, Any]):
    for service in ours(services).values():
        module, *arguments = service["command"]
        assert find_spec(f"{module}.__main__"), module
        assert arguments in ([], ["worker"])


def test_every_variable_is_a_setting_that_is_accepted(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    for service in ours(services).values():
        environment = service["environment"]
        assert {name for name in environment if not name.startswith("INTERLEAVETHINKER_")} <= FOREIGN
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            for section, model in SECTIONS.items():
                load_section(section, model)  # raises for a name that nobody reads


def test_what_can_be_set_is_written_down_and_what_is_written_down_can_be_set():
    text = (REPOSITORY / "docker-compose.yml").read_text()
    read = set(re.findall(r"\$\{(\w+)", text))
    told = set()
    for file in (".env.example", *GPU_FILES):
        told |= set(re.findall(r"^(\w+)=", (REPOSITORY / file).read_text(), re.MULTILINE))
    chosen_by_us = {"SERVICE_IMAGE", "GPU_IMAGE"}  # for those who build elsewhere
    assert read - told == chosen_by_us
    assert told - read == {"COMPOSE_PROFILES"}  # compose's own
    names = [re.findall(r"^(\w+)=", (REPOSITORY / file).read_text(), re.MULTILINE) for file in GPU_FILES]
    assert names[0] == names[1] == names[2], "the layouts say the same things"


@pytest.mark.parametrize("file", GPU_FILES)
def test_what_vllm_serves_is_what_the_services_ask_for(file: str, monkeypatch: pytest.MonkeyPatch):
    services = described("--env-file", file)["services"]
    served = next(each for each in services["vllm"]["command"] if each.startswith("--served-model-name="))
    length = next(each for each in services["vllm"]["command"] if each.startswith("--max-model-len="))
    for name, model in (("planner", PlannerSettings), ("critic", CriticSettings)):
        with monkeypatch.context() as patch:
            for variable, value in services[name]["environment"].items():
                patch.setenv(variable, value)
            settings: Any = load_section(name, model)
        assert served.partition("=")[2] == settings.model and settings.pack == "standard"
        assert int(length.partition("=")[2]) <= presets()[settings.preset].max_model_len
        revision = f"--revision={presets()[settings.preset].commit or 'main'}"
        assert revision in services["vllm"]["command"]


def test_no_comment_is_taken_for_a_value(services: dict[str, Any]):
    """After an empty value, docker compose reads what looks like a comment as the value: a public token, say."""
    for name, service in services.items():
        assert not [each for each, value in service.get("environment", {}).items() if str(value).startswith("#")], name


def test_ports_and_probes_are_those_of_the_code(services: dict[str, Any]):
    ports = {"planner": PlannerSettings, "critic": CriticSettings, "generator": GeneratorSettings}
    for name, model in ports.items():
        port = load_section(name, model).port
        assert f"127.0.0.1:{port}/" in services[name]["healthcheck"]["test"][-1]
        url = services["orchestrator"]["environment"][f"INTERLEAVETHINKER_ORCHESTRATOR__{name.upper()}_URL"]
        assert url == f"http://{name}:{port}"
    assert services["orchestrator"]["ports"][0]["target"] == OrchestratorSettings().port
    assert services["orchestrator"]["ports"][0]["host_ip"] == "127.0.0.1", "nobody else's machine, unless it is said"


def test_nothing_runs_as_root_or_writes_where_it_should_not(services: dict[str, Any]):
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        if name not in ("language-cache", "prometheus"):  # it chowns and ends; Prometheus' image names its own user
            assert service["user"].split(":")[0] != "0", name
        assert not service.get("privileged"), name


def test_images_are_pinned(services: dict[str, Any]):
    for name, service in services.items():
        if not service["image"].startswith("interleavethinker/"):
            assert re.search(r":v?\d+\.\d+|@sha256:", service["image"]), name


def test_no_secret_is_in_the_files():
    for file in ("docker-compose.yml", ".env.example", "deploy/compose/gpu.env", "deploy/docker/Dockerfile"):
        for name, value in re.findall(
            r"^\s*(\w*(?:SECRET|TOKEN|PASSWORD|API_KEY))[=:][ ]*(\S*)", (REPOSITORY / file).read_text(), re.M
        ):
            harmless = value.startswith("${") or value in ("", "of-this-machine-only") or value.startswith("#")
            assert harmless, f"{file}: {name}"


@pytest.mark.parametrize("file", ["deploy/docker/Dockerfile", "deploy/training/Dockerfile"])
def test_hadolint_finds_nothing(file: str):
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}") or shutil.which("hadolint")
    if not hadolint:
        pytest.skip("hadolint is not installed")
    found = subprocess.run([hadolint, file], cwd=REPOSITORY, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_the_images_versions_fit_what_the_project_asks_for():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    fixed = dict(line.split("==") for line in (REPOSITORY / "deploy/docker/constraints.txt").read_text().split())
    training = (REPOSITORY / "deploy/training/constraints.txt").read_text().split()
    of_training = dict(line.split("==") for line in training)
    for line in required(["train"]):
        wanted = Requirement(line)
        if version := of_training.pop(canonicalize_name(wanted.name), None):
            assert wanted.specifier.contains(version), f"{line}: deploy/training/constraints.txt"
    assert not of_training, "training asks for none of these"
    for line in required(["serve", "tracing", "models"]):
        wanted = Requirement(line)
        if (name := canonicalize_name(wanted.name)) != "torch":
            assert wanted.specifier.contains(fixed[name]), f"{line}: make constraints"
