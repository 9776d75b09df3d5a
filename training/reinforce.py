"""From a GRPO recipe to a reinforced critic: opens the generator, the judge and the data that it names, and calls
`training.grpo`.

A run leaves `model/`, `recipe.json` and `run.json` like one of `finetune`; its logs and checkpoints lie under `run/`.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from interleavethinker.blobs import open_blobs
from interleavethinker.chat import Chat
from interleavethinker.chat.openai import OpenAIChat
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.codec import load_pack
from interleavethinker.errors import BadRequest, BadSettings
from interleavethinker.ports import Blobs, Generator
from interleavethinker.settings import BlobSettings, InternalSettings, find_path, load_section
from training.batched import BatchedGenerator, MemoryBlobs, OneOfSeveral
from training.data.replies import Ledger, RecordedChat
from training.examples import ExampleSet
from training.grpo import GrpoRecipe, grpo
from training.judge import ExactJudge, Judge
from training.preflight import FACTS, RECIPE, half_precision, main_process, model_of, same_run
from training.reinforce_recipe import GrpoRun
from training.result import OF_THE_MODEL, finish, newest_checkpoint
from training.rl_plots import rl_curves
from training.rl_questions import check as check_examples
from training.tracking import check_reporting
from training.vlm_judge import VlmJudge


def look(run: GrpoRun, numbers: GrpoRecipe, *, gpu: bool | None = None) -> int:
    """Check all that the recipe names before anything is loaded; how many examples there are. Raises one clear
    line."""
    if numbers.bf16:
        half_precision("bf16", torch.cuda.is_available() if gpu is None else gpu)
    check_reporting(numbers.report_to)
    model_of(run.base, load_pack(numbers.pack))
    for directory in run.generator.directories:
        if not (find_path(directory) / "model_index.json").is_file():
            raise BadSettings(f"generator.directories: there is no generator checkpoint {directory}")
    if run.held_out:
        ExampleSet(run.held_out, "rl")
    examples = ExampleSet(run.data, "rl")
    count = len(examples)
    if count < numbers.prompts_per_step:
        raise BadRequest(f"{run.data} has {count} examples, fewer than prompts_per_step = {numbers.prompts_per_step}")
    check_examples(examples, numbers)
    return count


def generator_of(run: GrpoRun) -> tuple[Generator, Blobs]:
    """The generator that redraws, and the store that its pictures are in."""
    if run.generator.directories:
        memory = MemoryBlobs()
        return OneOfSeveral([BatchedGenerator(find_path(path), memory) for path in run.generator.directories]), memory
    assert run.generator.url is not None and run.generator.blobs is not None  # the recipe's own check
    internal = load_section("internal", InternalSettings).token  # it answers those that bear it only, where one is set
    token = internal.get_secret_value() if internal else None
    return GeneratorClient(run.generator.url, token=token), open_blobs(BlobSettings(url=run.generator.blobs))


def judge_of(run: GrpoRun, blobs: Blobs) -> Judge:
    """The judge that scores."""
    if run.judge.kind == "exact":
        return ExactJudge(blobs)
    assert run.judge.model is not None  # the recipe's own check
    chat: Chat = OpenAIChat(run.judge.model, base_url=run.judge.base_url, flavour="plain", logprobs=False)
    if (replies := run.judge.replies) is not None:
        rank = os.environ.get("RANK", "0")  # each process judges its own answers, and writes a file of its own
        chat = RecordedChat(chat, Ledger(replies.with_stem(f"{replies.stem}-{rank}")), "judge")
    return VlmJudge(chat, blobs)


def reinforce(run: GrpoRun, numbers: GrpoRecipe, out: Path) -> Path:
    """Train, or go on where the run under `out` stopped; the directory of the finished model."""
    look(run, numbers)
    pack = load_pack(numbers.pack)
    base, config = model_of(run.base, pack)
    examples = ExampleSet(run.data, "rl")
    facts = {"examples": len(examples), "data_digest": examples.digest(), "pack_digest": pack.digest}
    said: dict[str, Any] = run.model_dump(mode="json")
    same_run(out, RECIPE, said)
    same_run(out, FACTS, facts)
    directory = out / "model"
    if (directory / "config.json").exists():
        return directory
    if main_process():
        out.mkdir(parents=True, exist_ok=True)
        for file, table in ((RECIPE, said), (FACTS, facts)):
            (out / file).write_text(json.dumps(table, indent=2) + "\n")
    generator, blobs = generator_of(run)
    held_out = list(ExampleSet(run.held_out, "rl")[: numbers.held_out]) if run.held_out else []
    grpo(Path(base), examples, numbers, generator, judge_of(run, blobs), blobs, out / "run", held_out)
    # The last checkpoint holds the whole weights, however they were spread while they were trained.
    newest = newest_checkpoint(out / "run")
    if newest is None:
        raise BadRequest(f"the run under {out} left no checkpoint: nothing can be kept")
    if main_process():
        temporary = directory.with_name("model.new")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for kept in newest.iterdir():
            if kept.suffix == ".safetensors" or kept.name in OF_THE_MODEL:
                shutil.copyfile(kept, temporary / kept.name)
        finish(temporary, directory, base, config.dtype)
        rl_curves(out / "run", out / "rewards.png")
    return directory
