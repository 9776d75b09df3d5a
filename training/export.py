"""From a finished run to the directory that is served: weights, processor, manifest, and the curve of how it was
learned.

Planner and critic leave with the stock Qwen3-VL processor files, so that `vllm serve DIRECTORY` finds what it looks
for.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import shutil
from pathlib import Path
from typing import Any, Literal

from interleavethinker.checkpoint import Manifest, file_digests, write_manifest
from interleavethinker.codec import load_pack
from interleavethinker.errors import BadCheckpoint
from training.lessons import critic_lesson, planner_lesson
from training.plots import curve
from training.school import SHIPPED

Kind = Literal["planner", "critic", "generator"]
LESSONS_IN_DIGEST = 256


def data_digest(kind: Kind, recipe: dict[str, Any]) -> str:
    """SHA-256 over the first 256 lessons (or drawing steps) of the run's own stream: the data is a function of its
    seed."""
    digest = hashlib.sha256()
    if kind == "generator":
        from training.generator import GeneratorRecipe, flow_batches

        batches = flow_batches(GeneratorRecipe(**recipe), 0)
        for example in itertools.islice(itertools.chain.from_iterable(batches), LESSONS_IN_DIGEST):
            digest.update(repr(example).encode())
        return digest.hexdigest()
    for number in range(LESSONS_IN_DIGEST):
        rng = random.Random(f"{recipe['seed']} {number}")
        if kind == "planner":
            plan = planner_lesson(rng, held_out=False)
            digest.update((plan.brief.prompt + plan.plan.canonical()).encode())
        else:
            lesson = critic_lesson(rng)
            digest.update((lesson.prompt + lesson.last_prompt + lesson.verdict.canonical()).encode())
            digest.update(lesson.after.tobytes())
    return digest.hexdigest()


def stock_processor_files(directory: Path) -> None:
    """Name Qwen's own processor classes: ours only leaves out video, which needs torchvision."""
    path = directory / "processor_config.json"
    config = json.loads(path.read_text())
    config["processor_class"] = "Qwen3VLProcessor"
    path.write_text(json.dumps(config, indent=2) + "\n")
    image = config["image_processor"]
    stills = {**image, "image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen3VLProcessor"}
    video = {
        **{name: value for name, value in image.items() if name != "image_processor_type"},
        "video_processor_type": "Qwen3VLVideoProcessor",
        "processor_class": "Qwen3VLProcessor",
    }
    (directory / "preprocessor_config.json").write_text(json.dumps(stills, indent=2) + "\n")
    (directory / "video_preprocessor_config.json").write_text(json.dumps(video, indent=2) + "\n")


def history(kind: Kind, work: Path) -> dict[str, list[dict[str, Any]]]:
    """Log rows of each stage of a run, by the stage's name."""
    if kind == "generator":
        names = ("autoencoder", "polish", "grounding", "flow")
        return {name: _rows(work / "generator" / f"{name}.jsonl") for name in names}
    runs = {"critic": ("critic.painted.run", "critic.drawn.run"), "planner": ("planner.run",)}[kind]
    found = {"vision grounding": _rows(work / "base.jsonl")}
    for run in runs:
        states = sorted((work / run).glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime)
        if states:
            found[run.removesuffix(".run")] = json.loads(states[-1].read_text())["log_history"]
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def export(kind: Kind, recipe: dict[str, Any], work: Path, shipped: Path = SHIPPED) -> Path:
    """Copy the run's result to `shipped/kind`, replacing what was there. Its numbers are recorded by `evaluation`."""
    source = work / "generator" / "pipeline" if kind == "generator" else work / kind
    if not source.is_dir():
        raise BadCheckpoint(f"{source} is not there: run `python -m training {kind}` first")
    out = shipped / kind
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(source, out)
    pack = None
    if kind != "generator":
        stock_processor_files(out)
        pack = load_pack("compact")
    curve(history(kind, work), out / "training.png", title=f"small world: {kind}")
    write_manifest(
        out,
        Manifest(
            kind=kind,
            name=f"smallworld-{kind}",
            base=f"training/recipes/{kind}.cpu.toml {json.dumps(recipe, sort_keys=True)}",
            pack=pack.name if pack else None,
            pack_digest=pack.digest if pack else None,
            data_digest=data_digest(kind, recipe),
            seed=recipe["seed"],
            files=file_digests(out),
        ),
    )
    return out
