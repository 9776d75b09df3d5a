"""What a deployer may say about the generator: the `[generator]` section."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from interleavethinker.settings import NO_PRESET
from services.generator_service.acceleration import AccelerationSettings
from services.generator_service.hosted.settings import HostedSettings
from services.generator_service.presets import preset


class PreviewSettings(BaseModel):
    """Small pictures of a drawing while it is made, for whoever follows it. Nobody follows: none is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: bool = Field(default=True, description="false: only the denoising steps are told")
    side: int = Field(default=256, ge=32, le=512, description="at most so many pixels a side")
    per_second: float = Field(default=5.0, gt=0, le=30, description="at most so many of one drawing")
    share: float = Field(
        default=0.1, gt=0, le=1, description="previews pause so that they cost at most this part of a drawing's time"
    )
    fastest_step: float = Field(
        default=0.01,
        ge=0,
        description="no previews where denoising steps take fewer seconds: the picture is soon there",
    )
    seconds: float = Field(default=60.0, gt=0, description="how long Redis keeps the latest one")


class GeneratorSettings(BaseModel):
    """One served model. The API and its workers read the same section."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: str = Field(
        default="diffusers", description="diffusers, openai_images, gemini, or any other module by its path"
    )
    model: str = Field(
        default="checkpoints/smallworld/generator",
        description="a pipeline's directory, or a Hugging Face id as owner/name@commit; a server's name for its model",
    )
    preset: str | None = Field(
        default=None,
        description="a model by name, with its commit and call; `python -m services.generator_service presets`",
    )
    commit: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{40}$", description="of `model` on the hub, where `model` has no @"
    )
    partner: str | None = Field(
        default=None,
        description="another model, written as `model` is, for what this one does not do: drawing from text, or edits",
    )
    pinned: bool = Field(default=True, description="a Hugging Face id must name a commit; false: or nothing, or a tag")
    imports: tuple[str, ...] = Field(
        default=(),
        description="modules with own classes of the pipeline, imported before it is loaded; a checkpoint names none",
    )
    call: dict[str, Any] = Field(
        default={},
        description="keyword arguments of every pipeline call; stronger than the checkpoint's call.json. Of a hosted "
        "model: further fields of every request; null takes one out",
    )
    edit_call: dict[str, Any] = Field(default={}, description="the same, of edits only: over `call`")
    hosted: HostedSettings = HostedSettings()
    at_once: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="jobs that a worker draws at the same time. None: 1, or 4 where a server draws; more only there",
    )
    device: str = Field(default="auto", description="auto (CUDA where there is one), cpu, cuda, cuda:1")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: bfloat16 on CUDA, float32 on a CPU"
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads of a worker; None: torch's own choice")
    max_pixels: int = Field(default=2048 * 2048, ge=256, description="the largest picture that is drawn or edited")
    reference_pixels: int | None = Field(
        default=None, ge=256, description="a larger reference is scaled down to this before the model sees it"
    )
    png_level: int = Field(
        default=1, ge=0, le=9, description="zlib's level of pictures' files: 6 makes them smaller, and takes far longer"
    )
    finish_beside: bool = Field(
        default=True, description="a picture is encoded and stored while the next one is drawn; false: before it"
    )

    acceleration: AccelerationSettings = AccelerationSettings()
    previews: PreviewSettings = PreviewSettings()

    host: str = "127.0.0.1"
    port: int = Field(default=8083, ge=0, le=65535)
    namespace: str = Field(default="generator", pattern=r"^[\w-]+$", description="first part of every Redis key")

    record_seconds: int = Field(default=24 * 3600, ge=1, description="how long a job's record is kept")
    lease_seconds: float = Field(default=5.0, gt=0, description="a worker that is silent for so long has lost its job")
    alive_file: Path | None = Field(default=None, description="touched by a worker that lives, for a machine's probes")
    max_losses: int = Field(default=3, ge=1, description="so many workers may die drawing one job before it is failed")
    longest_draw_seconds: int = Field(default=3600, ge=1, description="no drawing may take longer than this")
    max_wait_seconds: float = Field(default=60.0, gt=0, description="the longest `wait` of one request")

    PRESET_FIELDS: ClassVar[tuple[str, ...]] = (
        "backend", "model", "commit", "partner", "imports", "call", "edit_call", "dtype", "reference_pixels",
    )  # fmt: skip
    """What weaker sources say of these is not meant for the preset's model: a preset begins anew (settings.py)."""

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("preset") in (None, NO_PRESET):
            return {**values, "preset": None} if isinstance(values, dict) and "preset" in values else values
        chosen = preset(str(values["preset"]))
        laid = {"backend": "diffusers", "model": chosen.model, "partner": chosen.partner}
        if values.get("model", chosen.model) == chosen.model:
            laid["commit"] = chosen.commit
        return laid | values

    @property
    def model_id(self) -> str:
        return f"{self.model}@{self.commit}" if self.commit and "@" not in self.model else self.model
