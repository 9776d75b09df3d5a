"""Recipes: TOML files that say everything a fine-tuning is made of, read into frozen, checked values.

What a recipe asks for is checked in two steps: here, that every key is known and every value fits; in
`training.preflight`, that what it names is there and can be used. Nothing is loaded here. A recipe of GRPO is
`training.reinforce_recipe`'s.

A file may hold variants, named tables that are laid over it: `variant = "paper"` picks `[variants.paper]`. Strongest is
`--set key=value`.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from interleavethinker.errors import BadSettings

Role = Literal["planner", "critic"]
Part = Literal["vision", "projector"]
Share = Annotated[float, Field(ge=0, le=1)]


class Table(BaseModel):
    """A table of a recipe: frozen, no unknown keys, no guessed types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Lora(Table):
    """Low-rank adapters on the language model's linear layers (PEFT), merged into the weights at the end."""

    rank: int = Field(default=32, ge=1)
    alpha: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class SftRecipe(Table):
    """Supervised fine-tuning of one role from a data set on disk (paper.md section 4; the defaults are its numbers)."""

    kind: Literal["sft"] = "sft"
    base: str = Field(description="a Qwen3-VL: its directory, or its Hugging Face id")
    role: Role
    pack: str = Field(default="standard", description="the prompt pack: compact, standard, or the path of one")
    data: Path = Field(description="what `python -m training synthesize` made: a directory, or one parquet file")
    held_out: Path | None = Field(default=None, description="examples of the same kind that are measured, not learned")
    held_out_limit: int = Field(default=512, ge=1, description="how many of them, the first ones")

    epochs: float | None = Field(default=None, gt=0)
    samples: int | None = Field(default=None, ge=1, description="instead of epochs: examples seen in all")
    learning_rate: float = Field(default=2e-5, gt=0)
    schedule: Literal["cosine", "linear", "constant", "warmup_stable_decay"] = "cosine"
    warmup: Share = Field(default=0.1, description="share of the steps in which the rate rises")
    decay: Share = Field(default=0.35, description="warmup_stable_decay: share of the steps in which it falls to 5%")
    weight_decay: float = Field(default=1e-6, ge=0)
    adam_beta2: float = Field(default=0.999, gt=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    batch: int = Field(default=32, ge=1, description="examples a step, over all devices")
    per_device_batch: int = Field(default=1, ge=1, description="examples a device computes at once")
    max_tokens: int = Field(default=16384, ge=1, description="longer examples are left out, never cut")
    max_pixels: int | None = Field(default=None, ge=1, description="must be the pack's; None: whatever the pack says")
    token_weights: dict[str, float] = Field(default={}, description="weight in the loss of tokens that decide; else 1")
    freeze: tuple[Part, ...] = ("vision", "projector")
    lora: Lora | None = None

    precision: Literal["auto", "bf16", "float32"] = "auto"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    gradient_checkpointing: bool = False
    workers: int = Field(default=0, ge=0, description="processes that prepare batches; 0: the training process itself")
    threads: int | None = Field(default=None, ge=1, description="torch's own, on a CPU")

    log_every: int = Field(default=10, ge=1, description="steps")
    save_every: int = Field(default=200, ge=1, description="steps")
    keep: int = Field(default=2, ge=1, description="checkpoints of a run that are kept, the newest")
    eval_every: int | None = Field(default=None, ge=1, description="steps; None: at the end only")
    report_to: Literal["none", "tensorboard", "trackio"] = "none"
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.epochs is None) == (self.samples is None):
            raise ValueError("give `epochs` or `samples`, one of the two")
        if self.schedule == "warmup_stable_decay" and self.warmup + self.decay > 1:
            raise ValueError("`warmup` and `decay` are shares of the same run: together at most 1")
        if self.batch % self.per_device_batch:
            raise ValueError(f"`batch` ({self.batch}) must be a multiple of `per_device_batch`")
        return self

    def accumulation(self, devices: int) -> int:
        """How many batches of each device make a step. Raises BadSettings unless they add up to `batch`."""
        at_once = self.per_device_batch * devices
        if self.batch % at_once:
            raise BadSettings(
                f"batch = {self.batch} cannot be shared out: {devices} devices times per_device_batch = "
                f"{self.per_device_batch} are {at_once}, so write a multiple of that"
            )
        return self.batch // at_once

    def steps(self, examples: int) -> int:
        """Optimizer steps of the whole run over a set of so many examples."""
        seen = self.samples if self.samples is not None else round((self.epochs or 0) * examples)
        return max(1, seen // self.batch)


R = TypeVar("R", bound=BaseModel)


def read_recipe(path: Path, model: type[R], settings: Sequence[str] = ()) -> R:
    """The recipe of a file with `key=value` settings laid over it. Raises BadSettings, in one line."""
    return checked(read_table(path, settings), model, str(path))


def read_table(path: Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """The file's keys after its variant and the settings were laid over them, values unchecked. Raises BadSettings."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSettings(f"there is no recipe {path}: see training/recipes/ for ours") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(f"the recipe {path} cannot be read: {error}") from None
    said = [_setting(text) for text in settings]
    chosen = next((value for keys, value in reversed(said) if keys == ["variant"]), table.get("variant"))
    variants = table.pop("variants", {})
    table.pop("variant", None)
    if chosen is not None and chosen not in variants:
        raise BadSettings(f"{path} has no variant {chosen!r}: it has {', '.join(variants) or 'none'}")
    _lay(table, variants.get(chosen, {}))
    for keys, value in said:
        if keys != ["variant"]:
            *tables, last = keys
            _lay(table, _nested(tables, {last: value}))
    return table


def checked(table: dict[str, Any], model: type[R], where: str) -> R:
    """The table as a value of the model. Raises BadSettings with every fault in one line."""
    try:
        # By way of JSON, whose strict reading takes a list for a tuple and a string for a path, and nothing else.
        return model.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        raise BadSettings(f"{where}: {'; '.join(_faults(error, model))}") from None


def _faults(error: ValidationError, model: type[BaseModel]) -> Iterable[str]:
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, model.model_fields, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(model.model_fields)}"
            yield f"{key!r} is no key of this recipe: {hint}"
        elif fault["type"] == "missing":
            yield f"{key!r} is missing: {model.model_fields[key].description or 'write it'}"
        else:
            said = fault["msg"].removeprefix("Value error, ")
            yield f"{key}: {said}, got {fault['input']!r}" if key else said


def _setting(text: str) -> tuple[list[str], Any]:
    """`key=value` as the key's parts and the value: TOML where it is that, else the text as it stands."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise BadSettings(f"--set {text!r} cannot be read: write key=value, for instance --set learning_rate=1e-5")
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        read = value.strip()
    return key.strip().split("."), read


def _nested(tables: Sequence[str], inner: dict[str, Any]) -> dict[str, Any]:
    for table in reversed(tables):
        inner = {table: inner}
    return inner


def _lay(onto: dict[str, Any], table: dict[str, Any]) -> None:
    for key, value in table.items():
        if isinstance(value, dict) and isinstance(onto.get(key), dict):
            _lay(onto[key], value)
        elif value == "":  # `--set samples=`: as if the file did not say it
            onto.pop(key, None)
        else:
            onto[key] = value
