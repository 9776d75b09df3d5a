"""What a deployer may say about the speed of a pipeline: the `[generator.acceleration]` section."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CUDA_GRAPHS = ("reduce-overhead", "max-autotune")
"""torch's names of the compile modes that record CUDA graphs."""


class AccelerationSettings(BaseModel):
    """Switches that make the same picture sooner. Each is honoured, and proven so before the worker is ready, or the
    worker does not start; none is dropped silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    compile: Literal["off", "blocks", "full"] = Field(
        default="off",
        description="torch.compile of the denoiser. blocks: its repeated blocks, quick to compile; full: as a whole",
    )
    compile_mode: Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"] = Field(
        default="default",
        description="torch's modes; reduce-overhead and max-autotune record CUDA graphs, and want compile = full",
    )
    quantize: Literal["none", "fp8", "fp8_weights", "int8_weights"] = Field(
        default="none",
        description="of the denoiser's linear layers, by torchao. fp8: weights and activations, CUDA 8.9 or newer; "
        "fp8_weights and int8_weights: memory only, on any device",
    )
    quantize_text_encoder: bool = Field(default=False, description="the text encoder's linear layers too")
    attention: str | None = Field(
        default=None, description="a diffusers attention backend, as native, _native_cudnn, flash. None: diffusers' own"
    )
    reference_kv: bool | None = Field(
        default=None,
        description="true: only a checkpoint whose pipeline keeps its references' keys and values is taken; "
        "false: only one without. None: as the checkpoint says",
    )
    text_cache: int = Field(
        default=16,
        ge=0,
        le=4096,
        description="so many prompts' embeddings are kept (8 MB each for a 4B model); 0: none",
    )
    warm: bool | None = Field(
        default=None,
        description="draw from text and as edits before the worker is ready. None: on CUDA and when compiled",
    )
    warm_references: int = Field(default=1, ge=0, le=8, description="edits with 1 to so many references are warmed")
    tolerance: float = Field(
        default=4.0,
        ge=0,
        le=255,
        description="a compiled picture may differ by this mean absolute difference, of 255, from one that is not",
    )

    @model_validator(mode="after")
    def _possible(self) -> AccelerationSettings:
        if self.compile_mode in CUDA_GRAPHS and self.compile != "full":
            raise ValueError(
                f"compile_mode {self.compile_mode} records CUDA graphs of the whole denoiser: set compile to full, or "
                "compile_mode to default"
            )
        return self
