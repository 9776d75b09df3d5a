"""The settings of the planner service: section `[planner]`, environment `INTERLEAVETHINKER_PLANNER__...`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from interleavethinker.chat import ChatSettings


class PlannerSettings(ChatSettings):
    """The model that plans (see `ChatSettings`), and how it is asked."""

    SECTION: ClassVar[str] = "planner"

    model: str = "checkpoints/smallworld/planner"
    pack: str = Field(default="compact", description="prompt pack: compact, standard, or the directory of one's own")
    max_tokens: int = Field(default=4096, ge=1, description="longest answer")
    temperature: float = Field(default=0.0, ge=0, le=2, description="of the first question")
    reasks: int = Field(default=2, ge=0, le=10, description="further questions when an answer cannot be read")
    reask_temperature: float = Field(default=0.7, gt=0, le=2, description="of these; 0 would repeat the answer")
    host: str = "127.0.0.1"
    port: int = Field(default=8081, ge=1, le=65535)
