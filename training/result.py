"""The model that a run leaves: checkpoints found, adapters merged, and the finished directory.

That is the base's own with other weights in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import Qwen3VLForConditionalGeneration
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

PROCESSOR_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
OF_THE_MODEL = {"config.json", "generation_config.json", "model.safetensors.index.json"}
NOT_PROCESSOR = OF_THE_MODEL | {"manifest.json"}


def newest_checkpoint(run: Path) -> Path | None:
    """The newest checkpoint that was written to its end (its state is written last), None where there is none."""
    whole = [path.parent for path in run.glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)


def finish(written: Path, directory: Path, base: str, dtype: torch.dtype | None) -> None:
    """Make a trainer's output the finished directory, whole or not at all: weights in the base's own precision, and the
    processor files of the base, as its makers wrote them."""
    for file in written.iterdir():  # the trainer also writes the processor, as the class that it was given
        if file.suffix != ".safetensors" and file.name not in OF_THE_MODEL:
            file.unlink()
    narrow(written, dtype or torch.float32)
    for file in processor_files(base):
        shutil.copyfile(file, written / file.name)
    shutil.rmtree(directory, ignore_errors=True)
    written.rename(directory)


def merge(base: str, adapter: Path, directory: Path) -> None:
    """The base with the adapter worked into its weights."""
    unset_hf_deepspeed_config()  # else this one process would wait for the others to load their pieces
    model = Qwen3VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32)
    PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().save_pretrained(directory)


def narrow(directory: Path, dtype: torch.dtype) -> None:
    """Store the weights in this precision; files one after the other, so that one fits in memory."""
    for file in directory.glob("*.safetensors"):
        tensors = load_file(file)
        cast_ones = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
        save_file(cast_ones, file, metadata={"format": "pt"})
    config = directory / "config.json"
    said = json.loads(config.read_text())
    name = str(dtype).removeprefix("torch.")
    for part in (said, said.get("text_config", {}), said.get("vision_config", {})):
        if "dtype" in part:
            part["dtype"] = name
    config.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")


def processor_files(base: str) -> list[Path]:
    """The base's tokenizer, templates and image processing, as its makers wrote them: what servers look for."""
    directory = Path(base) if Path(base).is_dir() else Path(snapshot_download(base, allow_patterns=[*PROCESSOR_FILES]))
    files = {file for pattern in PROCESSOR_FILES for file in directory.glob(pattern)}
    return sorted(file for file in files if file.name not in NOT_PROCESSOR)
