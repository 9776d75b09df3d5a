"""The settings of the critic service: section `[critic]`, environment `INTERLEAVETHINKER_CRITIC__...`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from interleavethinker.chat import ChatSettings


class CriticSettings(ChatSettings):
    """The model that judges (see `ChatSettings`), and how it is asked."""

    SECTION: ClassVar[str] = "critic"

    model: str = "checkpoints/smallworld/critic"
    pack: str = Field(default="compact", description="prompt pack: compact, standard, or the directory of one's own")
    max_tokens: int = Field(default=1024, ge=1, description="longest answer")
    temperature: float = Field(default=0.0, ge=0, le=2, description="of the first question")
    reasks: int = Field(default=2, ge=0, le=10, description="further questions when an answer cannot be read")
    reask_temperature: float = Field(default=0.7, gt=0, le=2, description="of these; 0 would repeat the answer")
    stop_on_accept: bool = Field(default=True, description="stop at an accept: the rest only repeats the prompt")
    host: str = "127.0.0.1"
    port: int = Field(default=8082, ge=1, le=65535)
