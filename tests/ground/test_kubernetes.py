"""The manifests, rendered as `kubectl apply -k` would, against Kubernetes' own schemas and against the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.twin import REPOSITORY
from interleavethinker import tracing
from interleavethinker.chat import presets as chat_presets
from interleavethinker.settings import load_section
from services.generator_service import presets as image_presets
from services.orchestrator.__main__ import main as orchestrator_main
from tests.ground.test_compose import SECTIONS

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here")
OVERLAYS = ["cpu", "gpu", "gpu-ha"]
CUSTOM = {"ScaledObject", "ServiceMonitor", "PodMonitor", "PrometheusRule", "HTTPRoute"}
"""Kinds of operators that a cluster may have; their schemas are not Kubernetes' own."""
PORTS = {"orchestrator": 8080, "planner": 8081, "critic": 8082, "generator": 8083}


@cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    words = ["kubectl", "kustomize", f"deploy/k8s/overlays/{overlay}"]
    answer = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(answer.stdout))


def of_kind(overlay: str, kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in rendered(overlay) if each["kind"] == kind}


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    found = {name: each["spec"]["template"]["spec"] for name, each in of_kind(overlay, "Deployment").items()}
    jobs = of_kind(overlay, "CronJob").items()
    return found | {name: each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for name, each in jobs}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_takes_the_manifests(overlay: str):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for each in rendered(overlay):
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_the_services_are_told_are_settings(overlay: str, monkeypatch: pytest.MonkeyPatch):
    maps = of_kind(overlay, "ConfigMap")
    (settings,) = (each["data"] for name, each in maps.items() if name.startswith("settings-"))
    for name, pod in pods(overlay).items():
        if name not in {*PORTS, "worker"}:
            continue
        (container,) = pod["containers"]
        assert any(
            source.get("configMapRef", {}).get("name", "").startswith("settings-") for source in container["envFrom"]
        )
        with monkeypatch.context() as patch:
            patch.setenv("INTERLEAVETHINKER_ORCHESTRATOR__JOURNAL", "postgresql://somewhere/journal")
            for variable, value in (
                settings.items() | {each["name"]: each["value"] for each in container.get("env", [])}.items()
            ):
                patch.setenv(variable, value)
            for section, model in SECTIONS.items():
                load_section(section, model)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_commands_ports_and_probes_are_those_of_the_code(overlay: str):
    services = of_kind(overlay, "Service")
    for name, pod in pods(overlay).items():
        (container,) = pod["containers"]
        if name in PORTS:
            assert container["args"] == [f"services.{name if name == 'orchestrator' else name + '_service'}"]
            assert [port["containerPort"] for port in container["ports"]] == [PORTS[name]]
            assert services[name]["spec"]["ports"][0]["port"] == PORTS[name]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"]["path"] in ("/livez", "/readyz")
        if name == "worker":
            assert container["args"] == ["services.generator_service", "worker"]
            (told,) = (each["value"] for each in container["env"] if each["name"].endswith("__ALIVE_FILE"))
            for probe in ("startupProbe", "livenessProbe"):
                assert told in " ".join(container[probe]["exec"]["command"])
        for each in (*pod.get("initContainers", []), container):
            module = (each.get("args") or [""])[0]
            if module.startswith("services."):
                assert find_spec(f"{module}.__main__")
    assert callable(orchestrator_main)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_locked_down(overlay: str):
    for name, pod in pods(overlay).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"], name
            assert re.search(r":v?\d+\.\d+", container["image"]), container["image"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_find_somebody(overlay: str):
    there = {
        each["metadata"]["labels"]["app.kubernetes.io/component"] for each in of_kind(overlay, "Deployment").values()
    }
    there |= {"fetch", "training"}  # Jobs that are started by hand
    text = yaml.safe_dump(
        [
            each
            for each in rendered(overlay)
            if each["kind"] in ("NetworkPolicy", "Service", "PodDisruptionBudget", "ServiceMonitor")
        ]
    )
    named = set(re.findall(r"app.kubernetes.io/component: (\S+)", text))
    for values in re.findall(r"key: app.kubernetes.io/component\n\s+operator: In\n\s+values:\n((?:\s+- \S+\n)+)", text):
        named |= set(re.findall(r"- (\S+)", values))
    assert named <= there, named - there


def test_nobody_speaks_to_anybody_unless_it_is_said_and_vllm_has_no_way_out():
    policies = of_kind("gpu", "NetworkPolicy")
    assert policies["nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        if "Egress" in policy["spec"]["policyTypes"] and name != "nobody":
            assert not chosen(policy["spec"]["podSelector"], "vllm"), name


def chosen(selector: dict[str, Any], component: str) -> bool:
    """Whether a selector takes pods of this component."""
    wanted = selector.get("matchLabels", {}).get("app.kubernetes.io/component", component) == component
    for each in selector.get("matchExpressions", []):
        wanted = wanted and (component in each["values"]) == (each["operator"] == "In")
    return wanted


def test_models_are_pinned_by_commits_and_said_alike():
    for overlay in ("gpu", "gpu-ha"):
        maps = of_kind(overlay, "ConfigMap")
        (models,) = (each["data"] for name, each in maps.items() if name.startswith("models-"))
        (settings,) = (each["data"] for name, each in maps.items() if name.startswith("settings-"))
        for kind, section, known in (
            ("LANGUAGE", "PLANNER", chat_presets.presets()),
            ("LANGUAGE", "CRITIC", chat_presets.presets()),
            ("GENERATOR", "GENERATOR", image_presets.presets()),
        ):
            preset = known[settings[f"INTERLEAVETHINKER_{section}__PRESET"]]
            assert models[f"{kind}_MODEL"] == preset.model
            assert models[f"{kind}_REVISION"] == preset.commit
        (vllm,) = pods(overlay)["vllm"]["containers"]
        assert "--revision=$(LANGUAGE_REVISION)" in vllm["args"]


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_training_jobs_are_told_what_is_a_setting_and_show_the_port_that_is_scraped(
    kind: str, monkeypatch: pytest.MonkeyPatch
):
    from training.metrics import TrainingSettings

    (job,) = yaml.safe_load_all((REPOSITORY / f"deploy/training/{kind}-job.yaml").read_text())
    (trainer,) = job["spec"]["template"]["spec"]["containers"]
    for each in trainer["env"]:
        if each["name"].startswith("INTERLEAVETHINKER_"):
            monkeypatch.setenv(each["name"], each["value"])
    settings = load_section("training", TrainingSettings)
    assert [(port["name"], port["containerPort"]) for port in trainer["ports"]] == [("metrics", settings.metrics_port)]
    (monitor,) = of_kind("gpu", "PodMonitor").values()
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"


def test_workers_are_given_the_time_to_finish_a_picture():
    for overlay in OVERLAYS:
        assert pods(overlay)["worker"]["terminationGracePeriodSeconds"] >= 60


def test_replicas_of_the_ha_overlay():
    deployments = of_kind("gpu-ha", "Deployment")
    assert {name: each["spec"]["replicas"] for name, each in deployments.items() if name != "worker"} == {
        "orchestrator": 3, "planner": 2, "critic": 2, "generator": 2, "vllm": 2,
    }  # fmt: skip
    assert all(each["spec"]["minReplicaCount"] == 2 for each in of_kind("gpu-ha", "ScaledObject").values())


def test_traces_are_a_component_with_a_way_to_the_collector_and_variables_that_turn_them_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(REPOSITORY / "deploy" / "k8s", tmp_path / "k8s")
    overlay = tmp_path / "k8s" / "overlays" / "traced"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: interleavethinker\n"
        "resources: [../../base]\ncomponents: [../../components/tracing]\n"
    )
    answer = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=True)
    found = list(yaml.safe_load_all(answer.stdout))
    (policy,) = (each for each in found if each["metadata"]["name"] == "spans-to-collector")
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(policy, kubernetes_validate.latest_version(), strict=True)
    (settings,) = (each["data"] for each in found if each["metadata"]["name"].startswith("settings-"))
    port = urlsplit(settings["OTEL_EXPORTER_OTLP_ENDPOINT"]).port
    assert policy["spec"]["egress"][0]["ports"] == [{"protocol": "TCP", "port": port}]
    (chosen,) = policy["spec"]["podSelector"]["matchExpressions"]
    assert set(chosen["values"]) == {*PORTS, "worker"}, "all that make spans, and nobody else"
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert tracing.wanted()
