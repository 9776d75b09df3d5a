"""What a fine-tuning will take of each device's memory, said before anything is loaded: from shapes alone.

The model is built on PyTorch's meta device, which counts parameters without storing one. An estimate of what must be
held, not of what an allocator wastes: fragments, communication buffers and the libraries themselves come on top (leave
10-20%). The head's logits are computed in tiles by the trainer and are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from training.recipe import Lora, Part, SftRecipe

Sharding = Literal["none", "zero3", "fsdp2"]
GB = 1e9
BF16, FLOAT32, MOMENTS = 2, 4, 8
"""Bytes a parameter; Adam keeps two moments of it in float32."""
LANGUAGE_LINEARS = r".*language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj"


@dataclass(frozen=True)
class Memory:
    """Bytes on each device, by what they are for."""

    weights: float
    gradients: float
    optimizer: float
    gathered: float
    activations: float

    @property
    def total(self) -> float:
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Parameters:
    """How many there are: learned, frozen, within the largest block, and outside of the blocks."""

    trained: int
    frozen: int
    largest_block: int
    outside_blocks: int


@dataclass(frozen=True)
class Estimate:
    parameters: Parameters
    memory: Memory
    devices: int
    sharding: Sharding

    def __str__(self) -> str:
        held = "  ".join(f"{field.name} {getattr(self.memory, field.name) / GB:.1f}" for field in fields(self.memory))
        return (
            f"{self.parameters.trained / 1e6:,.1f} M parameters are learned, {self.parameters.frozen / 1e6:,.1f} M are "
            f"frozen; about {self.memory.total / GB:.1f} GB on each of {self.devices} device(s), {self.sharding}: "
            f"{held}"
        )


def freeze(model: Qwen3VLForConditionalGeneration, parts: Iterable[Part]) -> None:
    """Freeze the vision tower (paper.md section 4) and the projector: the mergers that hand its tokens on."""
    visual = model.model.visual
    mergers = {
        parameter for name in ("merger", "deepstack_merger_list") for parameter in getattr(visual, name).parameters()
    }
    chosen = set(parts)
    for parameter in visual.parameters():
        parameter.requires_grad_(("projector" if parameter in mergers else "vision") not in chosen)


def adapted(model: Qwen3VLForConditionalGeneration, lora: Lora) -> nn.Module:
    """The model with adapters on the language model's linear layers; nothing else is learned then."""
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=LANGUAGE_LINEARS,
        task_type="CAUSAL_LM",
    )
    made: nn.Module = get_peft_model(model, config)
    return made


def parameters(config: Qwen3VLConfig, parts: Iterable[Part], lora: Lora | None = None) -> Parameters:
    """Count them without storing any; tied weights count once."""
    with torch.device("meta"):
        model = Qwen3VLForConditionalGeneration(config)
        blocks = [*model.model.language_model.layers, *model.model.visual.blocks]
        sizes = [sum(parameter.numel() for parameter in block.parameters()) for block in blocks]
        everything = sum(parameter.numel() for parameter in model.parameters())
        freeze(model, parts)
        learning = adapted(model, lora) if lora else model
    trained = sum(parameter.numel() for parameter in learning.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in learning.parameters())
    return Parameters(trained, total - trained, max(sizes), everything - sum(sizes))


def estimate(config: Qwen3VLConfig, recipe: SftRecipe, devices: int, sharding: Sharding, *, half: bool) -> Estimate:
    """The memory of each device in bytes. `half`: bf16 arithmetic with float32 master weights.

    ZeRO-3 keeps bf16 weights and gradients and float32 masters; FSDP2 float32 weights and gradients; both cut all of it
    into `devices` pieces and gather one block at a time, with what stands outside of the blocks. An unsharded device
    holds everything, and under bf16 a second, cast copy while it computes. Activations are the longest batch's.
    """
    counts = parameters(config, recipe.freeze, recipe.lora)
    pieces = 1 if sharding == "none" else devices
    compute = BF16 if half else FLOAT32
    if sharding == "zero3" and half:
        kept, gradient, state = BF16, BF16, FLOAT32 + MOMENTS
    else:
        kept, gradient, state = FLOAT32, FLOAT32, MOMENTS
    frozen_bytes = compute if recipe.lora else kept
    if sharding != "none":
        gathered = compute * (counts.outside_blocks + 2 * counts.largest_block)
    else:
        gathered = BF16 * counts.trained if half else 0
    memory = Memory(
        weights=(kept * counts.trained + frozen_bytes * counts.frozen) / pieces,
        gradients=gradient * counts.trained / pieces,
        optimizer=state * counts.trained / pieces,
        gathered=gathered,
        activations=activations(config, recipe, compute),
    )
    return Estimate(counts, memory, devices, sharding)


def activations(config: Qwen3VLConfig, recipe: SftRecipe, width: int) -> float:
    """Bytes of the longest batch's intermediate values in the language model (a frozen tower keeps none).

    With checkpointing each layer's input, and the inside of the one that is computed again, with its gradients.
    """
    text = config.text_config
    tokens = recipe.per_device_batch * min(recipe.max_tokens, text.max_position_embeddings)
    queries = text.num_attention_heads * text.head_dim
    keys = text.num_key_value_heads * text.head_dim
    # norms, residuals and both outputs; queries and their mixture; keys and values; the MLP's four wide tensors
    inside = tokens * width * (6 * text.hidden_size + 2 * queries + 2 * keys + 4 * text.intermediate_size)
    if not recipe.gradient_checkpointing:
        return float(text.num_hidden_layers * inside + inside)
    return float(text.num_hidden_layers * tokens * width * text.hidden_size + 2 * inside)
