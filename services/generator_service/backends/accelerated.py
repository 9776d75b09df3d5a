"""A diffusers pipeline made faster as `[generator.acceleration]` says, and the proof of it before the first job.

Three moments: `quantization` before the weights are read, `apply` on the loaded pipeline, and `warmed`, which draws
and compares. What cannot be honoured is BadSettings. Deliberately not here: drawing (`diffusers`), embeddings kept
(`textcache`).
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image, ImageChops

from interleavethinker.errors import BadSettings
from services.generator_service.acceleration import CUDA_GRAPHS, AccelerationSettings

SAID = "generator.acceleration"
FP8_SINCE = (8, 9)
"""CUDA compute capability with FP8 matrix products (Ada, Hopper and newer)."""

Draw = Callable[[list[Image.Image]], Image.Image]
"""Draws the warm-up's job with these references."""


def quantization(settings: AccelerationSettings, device: torch.device) -> dict[str, Any]:
    """Keyword arguments for `from_pretrained`, empty without quantisation. Raises BadSettings."""
    if settings.quantize == "none":
        if settings.quantize_text_encoder:
            raise BadSettings(f"{SAID}.quantize_text_encoder is set, but quantize is none: say fp8 or int8_weights")
        return {}
    if settings.quantize == "fp8":
        has = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
        if has is None or has < FP8_SINCE:
            found = f"{device} has CUDA {has[0]}.{has[1]}" if has else f"the device is {device}"
            raise BadSettings(
                f"{SAID}.quantize is fp8, whose products need CUDA 8.9 or newer, and {found}: "
                "write fp8_weights or int8_weights, which save memory only, or none"
            )
    for library in ("torchao", "accelerate"):
        if importlib.util.find_spec(library) is None:
            raise BadSettings(
                f"{SAID}.quantize is {settings.quantize}, which needs {library}: "
                "pip install 'interleavethinker[gpu-generator]', or set it to none"
            )
    mapping: dict[str, Any] = {"transformer": diffusers.TorchAoConfig(way(settings.quantize))}
    if settings.quantize_text_encoder:
        from transformers import TorchAoConfig

        mapping["text_encoder"] = TorchAoConfig(way(settings.quantize))
    return {"quantization_config": diffusers.PipelineQuantizationConfig(quant_mapping=mapping)}


def way(name: str) -> Any:
    """torchao's configuration by our setting's name."""
    from torchao import quantization as ao

    if name == "fp8":
        return ao.Float8DynamicActivationFloat8WeightConfig(granularity=ao.PerRow())
    return ao.Float8WeightOnlyConfig() if name == "fp8_weights" else ao.Int8WeightOnlyConfig()


def keeps_references(pipeline: Any) -> bool:
    """Whether the references' keys and values are kept over the denoising steps."""
    return any(
        "KV" in type(module).__name__ for module in getattr(pipeline.transformer, "attn_processors", {}).values()
    )


def apply(pipeline: Any, settings: AccelerationSettings) -> str:
    """Set the attention backend, check the switches against the pipeline; the attention's name. Raises BadSettings."""
    keeps = keeps_references(pipeline) if hasattr(pipeline, "transformer") else False
    if settings.reference_kv is not None and settings.reference_kv is not keeps:
        does = "keeps" if keeps else "does not keep"
        raise BadSettings(
            f"{SAID}.reference_kv is {str(settings.reference_kv).lower()}, but {type(pipeline).__name__} {does} its "
            "references' keys and values: take a checkpoint that was trained so, or leave the setting out"
        )
    if keeps and settings.compile_mode in CUDA_GRAPHS:
        raise BadSettings(
            f"{SAID}.compile_mode {settings.compile_mode} records CUDA graphs, which overwrite the references' keys "
            "and values that this pipeline keeps: write default or max-autotune-no-cudagraphs"
        )
    if settings.attention:
        _denoiser(pipeline, "attention")
        try:
            pipeline.transformer.set_attention_backend(settings.attention)
        except (ValueError, RuntimeError, ImportError) as error:
            raise BadSettings(f"{SAID}.attention is {settings.attention!r}: {error}") from error
    return attention(pipeline)


def attention(pipeline: Any) -> str:
    """The backends that the denoiser's attention layers really have, as told by the layers."""
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry as Registry

    layers = getattr(getattr(pipeline, "transformer", None), "attn_processors", {}).values()
    active = Registry.get_active_backend()[0]
    names = {getattr(layer, "_attention_backend", None) or active for layer in layers}
    return ", ".join(sorted(str(getattr(name, "value", name)) for name in names))


def compile_denoiser(pipeline: Any, settings: AccelerationSettings) -> None:
    """Compile it; that happens at the first drawing. Raises BadSettings."""
    denoiser = _denoiser(pipeline, "compile")
    mode = None if settings.compile_mode == "default" else settings.compile_mode
    if settings.compile == "blocks":
        try:
            denoiser.compile_repeated_blocks(mode=mode)
        except (ValueError, AttributeError) as error:
            raise BadSettings(
                f"{SAID}.compile is blocks, but {type(denoiser).__name__} names none: write full"
            ) from error
        return
    whole = torch.compile(denoiser.forward, mode=mode)

    # Only `forward`: hooks of the module (previews) stay outside of what is compiled, where they are always called.
    def forward(*args: Any, **kwargs: Any) -> Any:
        if settings.compile_mode in CUDA_GRAPHS:
            torch.compiler.cudagraph_mark_step_begin()
        return whole(*args, **kwargs)

    denoiser.forward = forward


def checked(pipeline: Any, settings: AccelerationSettings, dtype: str) -> list[str]:
    """What the weights in memory say of themselves. Raises BadSettings where it is not what was asked for."""
    said = [_dtypes(pipeline, dtype)]
    asked = ("transformer", "text_encoder") if settings.quantize_text_encoder else ("transformer",)
    if settings.quantize != "none":
        _denoiser(pipeline, "quantize")
    for name in asked if settings.quantize != "none" else ():
        linear = [each for each in getattr(pipeline, name).modules() if isinstance(each, torch.nn.Linear)]
        kinds = Counter(kind for each in linear if (kind := _quantized(each.weight)))
        if not kinds:
            raise BadSettings(
                f"{SAID}.quantize is {settings.quantize}, but no linear layer of the {name} came out quantised: "
                "this checkpoint's layers cannot be, set it to none"
            )
        kinds_said = ", ".join(sorted(kinds))
        said.append(f"{name}: {kinds.total()} of {len(linear)} linear layers {kinds_said}")
    return said


def warmed(pipelines: Sequence[Any], settings: AccelerationSettings, draw: Draw, side: tuple[int, int]) -> list[str]:
    """Draw from text and as edits, compile while doing so, and compare with what was drawn before compiling. Raises
    BadSettings."""
    grey = Image.linear_gradient("L").resize(side).convert("RGB")
    calls = [[grey] * number for number in range(settings.warm_references + 1)]
    before = [draw(references) for references in calls]
    if settings.compile == "off":
        return [f"warmed with 0 to {settings.warm_references} references"]
    for pipeline in pipelines:
        compile_denoiser(pipeline, settings)
    try:
        after = [draw(references) for references in calls]
    except Exception as error:  # a compiler fails in as many ways as it has passes
        raise BadSettings(
            f"{SAID}.compile is {settings.compile} ({settings.compile_mode}), which fails here: "
            f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}; "
            "is there a C compiler? Set it to off to draw without"
        ) from error
    off = max(difference(*pair) for pair in zip(before, after, strict=True))
    if off > settings.tolerance:
        raise BadSettings(
            f"{SAID}.compile is {settings.compile}, but compiled pictures differ by {off:.2f} of 255 from those before "
            f"(tolerance {settings.tolerance:g}): set it to off, or another compile_mode, or raise the tolerance"
        )
    return [f"compiled with 0 to {settings.warm_references} references, off by {off:.2f} of 255"]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two pictures' values, 0 to 255."""
    return float(np.asarray(ImageChops.difference(one, other)).mean())


def _denoiser(pipeline: Any, what: str) -> Any:
    if not hasattr(pipeline, "transformer"):
        raise BadSettings(f"{SAID}.{what} is set, but {type(pipeline).__name__} has no transformer: leave it out")
    return pipeline.transformer


def _dtypes(pipeline: Any, dtype: str) -> str:
    """Each model's share of floating weights that are in the dtype; BadSettings where one has none."""
    found = []
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            weights = [each for each in part.parameters() if each.is_floating_point() and not _quantized(each)]
            right = sum(each.dtype is getattr(torch, dtype) for each in weights)
            if weights and not right:
                raise BadSettings(f"generator.dtype is {dtype}, but the {name} was loaded as {weights[0].dtype}")
            if weights:
                found.append(f"{name} {right}/{len(weights)}")
    return f"{dtype} weights: {', '.join(sorted(found))}"


def _quantized(weight: torch.Tensor) -> str:
    """The name of torchao's tensor class; empty for an ordinary one."""
    kind = type(weight)
    return kind.__name__ if kind.__module__.startswith("torchao") else ""
