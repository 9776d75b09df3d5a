"""Starting a run: every recipe takes two steps by the command line, every command that is written down can be parsed,
and the manifests are what Kubernetes takes."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from trl.scripts.vllm_serve import make_parser
from typer.testing import CliRunner

from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from tests import tiny
from tests.training.sets import write_sets
from training import courses, rehearsal, school, vlm
from training.finetune_commands import register

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "training" / "recipes").glob("*.toml"))
MANIFESTS = sorted((ROOT / "deploy" / "training").glob("*.yaml"))
ACCELERATE = sorted((ROOT / "training" / "accelerate").glob("*.yaml"))
GUIDE = ROOT / "docs" / "training-on-gpus.md"

app = typer.Typer()
register(app)
rehearsal.register(app)


def run(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    return tiny.build(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_sets(tmp_path_factory.mktemp("data"))


def overriding(**values: object) -> list[str]:
    return [word for key, value in values.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]


def of_kind(kind: str | None) -> list[Path]:
    return [path for path in RECIPES if tomllib.loads(path.read_text()).get("kind") == kind]


@pytest.mark.parametrize("path", of_kind("sft"), ids=lambda path: path.stem)
def test_two_steps_of_each_sft_recipe(path, base, data, tmp_path):
    small = overriding(
        base=base, data=data, held_out=data, pack="compact", epochs="", samples=2, batch=1, per_device_batch=1,
        precision="float32", workers=0, report_to="none", token_weights="", log_every=1, threads=1,
    )  # fmt: skip
    code, said = run("sft", "--recipe", path, "--out", tmp_path / "run", *small)
    assert (code, "parameters are learned" in said) == (0, True)
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) >= 2


@pytest.mark.parametrize("path", of_kind("grpo"), ids=lambda path: path.stem)
def test_two_steps_of_each_grpo_recipe(path, base, data, tmp_path):
    small = overriding(
        base=base, data=data, held_out="", generator__url="", generator__blobs="", judge__kind="exact",
        grpo__pack="compact", generator__directories='["checkpoints/smallworld/generator"]', grpo__steps=2,
        grpo__prompts_per_step=2, grpo__group=2, grpo__answers_per_pass=4, grpo__max_tokens=6, grpo__bf16="false",
        grpo__vllm="false", grpo__gradient_checkpointing="false", grpo__report_to="none", grpo__save_every=1,
    )  # fmt: skip
    code, said = run("grpo", "--recipe", path, "--out", tmp_path / "run", *small)
    assert code == 0, said
    code, said = run("export-run", tmp_path / "run", tmp_path / "critic")
    assert (code, (tmp_path / "critic" / "manifest.json").is_file()) == (0, True)


@pytest.fixture(scope="module")
def course_teacher(tmp_path_factory):
    pack = load_pack("compact")
    words = vlm.tokenizer(vlm.corpus(60), vlm.scaffolding(PlannerCodec(pack), CriticCodec(pack)))
    vlm.save(vlm.model(words, width=64, layers=1), vlm.processor(words), out := tmp_path_factory.mktemp("course"))
    return school.teacher_of(out), out


COURSES = {
    "base.cpu": "base", "planner.cpu": "planner", "planner_wordings.cpu": "planner", "critic.cpu": "critic",
    "critic_trail.cpu": "critic", "one_agent.cpu": "one_agent", "generator.cpu": "generator",
    "generator_wordings.cpu": "generator", "generator_second.cpu": "generator",
}  # fmt: skip
"""Recipes that `python -m training COURSE` takes."""
SMALL: dict[str, Any] = {
    "samples": 4, "batch": 2, "flow_samples": 32, "count": 24, "corpus": 60, "grounding_steps": 2,
    "autoencoder_steps": 2, "polish_steps": 2,
}  # fmt: skip


def shrunk(table: dict[str, Any]) -> dict[str, Any]:
    """The recipe at two steps of everything."""
    return {key: shrunk(value) if isinstance(value, dict) else SMALL.get(key, value) for key, value in table.items()}


@pytest.mark.parametrize("path", [p for p in of_kind(None) if p.stem in COURSES], ids=lambda path: path.stem)
def test_two_steps_of_each_course(path, course_teacher, data, tmp_path):
    table = shrunk(courses.read_recipe(path))
    course = COURSES[path.stem]
    if course not in ("base", "generator"):
        table["start"] = str(course_teacher[1])
    if "data" in table:
        table["data"] = str(data / "Interleave-Critic-SFT")
    made = getattr(school, course)(table, tmp_path)
    assert any(made.rglob("*.safetensors"))


def test_no_recipe_is_without_a_smoke_test():
    smoked = {path.stem for kind in ("sft", "grpo") for path in of_kind(kind)} | COURSES.keys()
    data_recipes = {"data.cpu", "data.gpu"}  # tests/training/test_data_sets.py and test_teacher.py make sets of them
    assert {path.stem for path in RECIPES} == smoked | data_recipes


def test_check_says_what_a_run_would_take_and_trains_nothing(base, data, tmp_path):
    recipe = ROOT / "training" / "recipes" / "critic_sft.gpu.toml"
    small = overriding(base=base, data=data, pack="compact", report_to="none", max_tokens=2048)
    words = ["sft", "--recipe", recipe, "--out", tmp_path / "run", "--check", "--devices", "8", *small]
    code, said = run(*words)
    assert code == 0
    assert "12 examples, 1 steps: all is well" in said
    assert "on each of 8 device(s), fsdp2" in said
    assert not (tmp_path / "run").exists()


def test_what_is_wrong_is_one_line_and_code_2(tmp_path):
    recipe = ROOT / "training" / "recipes" / "critic_sft.gpu.toml"
    for words in (["--set", "batch=0"], ["--set", "report_to=none"], ["--set", "nose=1"]):
        code, said = run("sft", "--recipe", recipe, "--out", tmp_path / "run", *words)
        assert code == 2
        assert said.startswith("error: ")
        assert said.count("\n") == 1


# What is written down


def commands() -> list[list[str]]:
    """The commands in the guide's code blocks and in the manifests' containers, as words."""
    blocks = re.findall(r"```\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()]
    return [*lines, *([*one["command"], *one["args"]] for one in containers())]


def containers() -> list[dict[str, Any]]:
    found = []
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            pod = document["spec"]["template"]["spec"]
            found += [*pod["initContainers"], *pod["containers"]]
    return found


def parse_training(words: list[str]) -> None:
    """Raises unless the command line takes these words."""
    command = typer.main.get_command(app)
    name, *rest = words
    sub = command.get_command(None, name)  # type: ignore[attr-defined]
    assert sub is not None, name
    context = sub.make_context(name, rest)
    for value in context.params.values():
        if isinstance(value, Path) and value.suffix == ".toml":
            assert (ROOT / value).is_file()


def test_every_written_command_is_one_that_can_be_given():
    seen = set()
    for words in commands():
        while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        seen.add(" ".join(words[:2]))
        if words[:2] == ["accelerate", "launch"]:
            said = launch_command_parser().parse_args([word.replace("$NODE_RANK", "1") for word in words[2:]])
            assert (ROOT / said.config_file).is_file()
            assert (said.module, said.training_script) == (True, "training")
            parse_training(said.training_script_args)
        elif words[:2] == ["trl", "vllm-serve"]:
            _, unknown = make_parser().parse_known_args(words[2:])
            assert unknown == []
        elif words[:3] == ["python", "-m", "training"]:
            parse_training(words[3:])
    assert {"accelerate launch", "trl vllm-serve", "python -m"} <= seen


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda path: path.stem)
def test_accelerate_takes_its_configs(path):
    config = load_config_from_file(str(path))
    assert config.mixed_precision == "bf16"
    kinds = {"fsdp2": "FSDP", "zero3": "DEEPSPEED", "single": "NO"}
    assert config.distributed_type == kinds[path.stem]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_jobs_are_locked_down_and_go_on_where_they_stopped(path):
    (job,) = yaml.safe_load_all(path.read_text())
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert (pod["restartPolicy"], spec["backoffLimit"] > 0) == ("Never", True)
    first = spec["podFailurePolicy"]["rules"][0]
    assert (first["action"], first["onExitCodes"]["values"]) == ("FailJob", [2])
    assert first["onExitCodes"]["containerName"] in {one["name"] for one in pod["initContainers"]}
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    volumes = {one["name"]: one for one in pod["volumes"]}
    gpus = 0
    for one in [*pod["initContainers"], *pod["containers"]]:
        locked = one["securityContext"]
        assert (locked["allowPrivilegeEscalation"], locked["readOnlyRootFilesystem"]) == (False, True)
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes.keys()
        gpus += one["resources"]["limits"].get("nvidia.com/gpu", 0)
        if "--out" in one["args"]:  # what must outlive the pod lies on a claim
            out = one["args"][one["args"].index("--out") + 1]
            (mount,) = [mount for mount in one["volumeMounts"] if out.startswith(mount["mountPath"] + "/")]
            assert "persistentVolumeClaim" in volumes[mount["name"]]
    assert gpus == 8


@pytest.mark.skipif(
    importlib.util.find_spec("kubernetes_validate") is None, reason="kubernetes-validate is not installed"
)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_kubernetes_takes_the_manifests(path):
    import kubernetes_validate

    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
