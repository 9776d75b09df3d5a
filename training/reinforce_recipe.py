"""A recipe of a GRPO run: what the critic starts from, what it is asked about, who redraws, who scores.

The numbers of the method itself are `training.grpo_recipe`'s, in the table `[grpo]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from training.grpo_recipe import GrpoRecipe
from training.recipe import Table


class GeneratorChoice(Table):
    """Who redraws: checkpoints of the small world in this process, or the generator service with queue and workers."""

    directories: tuple[Path, ...] = Field(
        default=(), description="more than one: each attempt has one of them redraw, by its seed"
    )
    url: str | None = Field(default=None, description="the service's, such as http://generator:8083")
    blobs: str | None = Field(default=None, description="with `url`: the directory of images that the service shares")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.directories) == bool(self.url):
            raise ValueError("give [generator] `directories` or a `url`, one of the two")
        if self.url and not self.blobs:
            raise ValueError("[generator] with a `url` needs `blobs`: the images' directory, which the service shares")
        return self


class JudgeChoice(Table):
    """Who scores: the small world's exact judge, or a vision-language model behind a server of OpenAI's chat API."""

    kind: Literal["exact", "vlm"] = "exact"
    model: str | None = Field(default=None, description="vlm: the server's name for it, pinned")
    base_url: str | None = Field(default=None, description="vlm: with its /v1; None: OPENAI_BASE_URL")
    replies: Path | None = Field(default=None, description="vlm: a .jsonl of raw replies; each process adds its number")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.kind == "vlm" and not self.model:
            raise ValueError("[judge] of kind 'vlm' needs a `model`")
        return self


class GrpoRun(Table):
    """GRPO of the critic: what it starts from, what it is asked about, who redraws and who scores; and its numbers."""

    kind: Literal["grpo"]
    base: str = Field(description="the critic to start from: a run's model directory, or a Hugging Face id")
    data: Path = Field(description="RL examples (Interleave-Critic-RL)")
    held_out: Path | None = None
    generator: GeneratorChoice
    judge: JudgeChoice = JudgeChoice()
    grpo: dict[str, Any] = Field(default={}, description="the keys of training.grpo_recipe.GrpoRecipe")

    def numbers(self) -> GrpoRecipe:
        """The recipe proper, checked. Raises BadSettings."""
        return GrpoRecipe.of(self.grpo)
