"""How pictures, texts and streams are asked for: the tool `image_generation`, `text` and `stream_options`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from interleavethinker.types import NUMBER, Size

_PIXELS = r"(1[6-9]|[2-9]\d|[1-9]\d\d|[1-3]\d\d\d|40[0-8]\d|409[0-6])"
SIZE = rf"^(auto|{_PIXELS}x{_PIXELS})$"


def _drawn_from_text(value: JsonValue) -> JsonValue:
    if value is not None:
        raise ValueError("a mask is not taken: every picture is drawn as a whole")
    return value


class ImageTool(BaseModel):
    """How the pictures are drawn and sent. The tool is used whether it is named or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["image_generation"]
    size: Annotated[str, Field(pattern=SIZE)] | None = Field(
        default=None, description="WIDTHxHEIGHT in pixels from 16 to 4096, or auto: the model's own"
    )
    partial_images: Annotated[int, Field(ge=0, le=3), NUMBER] | None = Field(
        default=None, description="how many attempts at each picture a stream shows before the one that stands"
    )
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100), NUMBER] | None = Field(
        default=None, description="100: the best quality; for jpeg and webp"
    )
    background: Literal["opaque", "auto"] | None = Field(default=None, description="pictures are opaque")
    input_image_mask: Annotated[JsonValue, AfterValidator(_drawn_from_text)] = None
    action: JsonValue = Field(default=None, description="taken without effect, as all that follow")
    complexity: JsonValue = None
    input_fidelity: JsonValue = None
    model: JsonValue = None
    moderation: JsonValue = None
    quality: JsonValue = None

    @property
    def pixels(self) -> Size | None:
        """Raises ValidationError for a size that cannot be drawn."""
        if self.size is None or self.size == "auto":
            return None
        width, _, height = self.size.partition("x")
        return Size(width=int(width), height=int(height))


class StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    include_obfuscation: JsonValue = Field(default=None, description="taken without effect: nothing is added")


class TextOptions(BaseModel):
    """Texts come as Markdown."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: dict[str, JsonValue] | None = None
    verbosity: JsonValue = None

    @model_validator(mode="after")
    def _words_only(self) -> Self:
        if self.format and self.format.get("type") != "text":
            raise ValueError('documents are no JSON of your schema: leave text.format out, or say {"type": "text"}')
        return self


class ToolChoice(BaseModel):
    """The one tool that there is."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["image_generation"]
