"""Everything that can be known to go wrong is looked for before a weight is loaded: it costs seconds, a run costs days.

Checks what a recipe names: devices, prompt pack, base model, data and a sample of its pictures, reporting, and that a
run that lies there already is the same one. Raises one clear line; loads no weights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, Qwen3VLConfig

from interleavethinker.chat.qwen import QwenInputs
from interleavethinker.checkpoint import check_pack, read_manifest
from interleavethinker.codec import Pack, load_pack
from interleavethinker.errors import BadCheckpoint, BadRequest, BadSettings, Conflict
from interleavethinker.settings import find_path
from training.examples import ExampleSet, Rows
from training.recipe import SftRecipe
from training.tracking import check_reporting

SAMPLE = 64
"""Examples that are encoded whole before a run starts, evenly spread over the set."""
TOO_LONG = 0.05
"""The share of too long examples from which on `max_tokens` is taken for a mistake."""
RECIPE, FACTS = "recipe.json", "run.json"
"""What a run writes down when it begins: its recipe; and the digests of its data and of its pack."""
MAY_CHANGE = {"report_to", "log_every", "save_every", "keep", "workers", "threads", "eval_every", "held_out_limit"}
"""Keys that a resumed run may have otherwise: they do not change what is learned. Nor does `per_device_batch`, but only
on as many devices; so it must stay."""


@dataclass(frozen=True)
class Checked:
    """What a recipe names, found and sound."""

    base: str
    config: Qwen3VLConfig
    pack: Pack
    rows: Rows
    examples: ExampleSet
    held_out: ExampleSet | None
    half: bool
    facts: dict[str, Any]


def preflight(recipe: SftRecipe, out: Path, devices: int, *, gpu: bool | None = None) -> Checked:
    """`gpu`: whether the run will have GPUs; None: whether there is one here. Raises BadSettings, BadCheckpoint,
    BadRequest or Conflict, each in one line."""
    half = half_precision(recipe.precision, torch.cuda.is_available() if gpu is None else gpu)
    check_reporting(recipe.report_to)
    recipe.accumulation(devices)
    pack = load_pack(recipe.pack)
    if recipe.max_pixels is not None and recipe.max_pixels != pack.images.max_pixels:
        raise BadSettings(
            f"max_pixels is {recipe.max_pixels}, but a model is served with what its prompt pack says, and "
            f"{pack.name!r} says {pack.images.max_pixels}: write that, or change image_max_pixels in a pack of your own"
        )
    base, config = model_of(recipe.base, pack)
    examples = ExampleSet(recipe.data, recipe.role)
    held_out = ExampleSet(recipe.held_out, recipe.role) if recipe.held_out else None
    rows = Rows(QwenInputs.load(base), pack)
    if strange := [text for text in recipe.token_weights if len(rows.inputs.tokens(text)) != 1]:
        raise BadSettings(f"token_weights: {strange[0]!r} is not one token of {recipe.base}: weigh whole tokens only")
    room = min(recipe.max_tokens, config.text_config.max_position_embeddings)
    for found in filter(None, (examples, held_out)):
        look_at_sample(found, rows, room)
    facts = {"examples": len(examples), "data_digest": examples.digest(), "pack_digest": pack.digest}
    same_run(out, RECIPE, as_json(recipe))
    same_run(out, FACTS, facts)
    return Checked(base, config, pack, rows, examples, held_out, half, facts)


def half_precision(precision: str, gpu: bool) -> bool:
    """Whether to compute in bf16: by device, unless the recipe says. Raises BadSettings for bf16 on a CPU."""
    if precision == "bf16" and not gpu:
        raise BadSettings(
            "precision is bf16, but there is no GPU here, and a CPU is a hundred times slower in it: write 'float32', "
            "or 'auto'"
        )
    return gpu if precision == "auto" else precision == "bf16"


def model_of(base: str, pack: Pack) -> tuple[str, Qwen3VLConfig]:
    """Where the base model is, and its shape. Raises BadCheckpoint."""
    directory = find_path(base)
    local = directory.is_dir()
    if not local and (base.startswith((".", "/")) or base.count("/") != 1):
        raise BadCheckpoint(f"base: there is no model directory {base}, and it is no Hugging Face id (owner/name)")
    place = str(directory) if local else base
    try:
        config = AutoConfig.from_pretrained(place)
    except (OSError, ValueError) as error:
        raise BadCheckpoint(
            f"base: {base} has no config.json that can be read: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(config, Qwen3VLConfig):
        raise BadCheckpoint(f"base: {base} is a {config.model_type}, but planner and critic are Qwen3-VL models")
    if local and (manifest := read_manifest(directory)) is not None:
        check_pack(manifest, pack)
    return place, config


def look_at_sample(examples: ExampleSet, rows: Rows, room: int) -> int:
    """Encode examples from all over the set; the longest one's tokens. Raises BadRequest at the first broken one, and
    when many are too long."""
    lengths = []
    for number in spread(len(examples), SAMPLE):
        try:
            lengths.append(rows.row(examples[number])["input_ids"].shape[1])
        except BadRequest as error:
            said = str(error)
            raise BadRequest(said if said.startswith("example ") else f"{examples.where(number)}: {said}") from error
    over = sum(length > room for length in lengths)
    if over > TOO_LONG * len(lengths):
        raise BadRequest(
            f"{over} of {len(lengths)} examples looked at are longer than {room} tokens (the longest has "
            f"{max(lengths)}): raise max_tokens, take a model that reads more, or make smaller pictures"
        )
    return max(lengths)


def spread(count: int, most: int) -> Iterator[int]:
    """At most so many numbers below `count`, evenly spread, the first and the last among them."""
    if count <= most:
        yield from range(count)
    else:
        yield from (round(index * (count - 1) / (most - 1)) for index in range(most))


def same_run(out: Path, file: str, wanted: dict[str, Any]) -> None:
    """Raises Conflict when `out` holds a run of another recipe, or over other data."""
    if not (out / file).exists():
        return
    said = json.loads((out / file).read_text())
    changed = sorted(key for key in {*said, *wanted} - MAY_CHANGE if said.get(key) != wanted.get(key))
    if changed:
        key = changed[0]
        raise Conflict(
            f"{out} holds a run with {key} = {said.get(key)!r}, now it is {wanted.get(key)!r}: give another --out, or "
            "what the run was begun with"
        )


def as_json(recipe: SftRecipe) -> dict[str, Any]:
    plain: dict[str, Any] = recipe.model_dump(mode="json")
    return plain


def devices() -> int:
    """How many processes train together; as `accelerate launch` and torchrun say it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def main_process() -> bool:
    """Whether this is the process that writes files; as `accelerate launch` and torchrun say it."""
    return int(os.environ.get("RANK", "0")) == 0
