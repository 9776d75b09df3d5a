"""The items of a request's `input`: messages with words and pictures, and what an earlier answer gave, sent back.

Deliberately not here: what a brief makes of them (`briefs`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from interleavethinker.codec.fields import TEXT_LIMIT

_LENIENT = ConfigDict(frozen=True, extra="ignore")
"""Items may be those of an earlier answer, sent back as they came, with fields that only say how they were made."""


class TextPart(BaseModel):
    """Words: the caller's (`input_text`), or those of an earlier answer (`output_text`)."""

    model_config = _LENIENT
    type: Literal["input_text", "output_text", "text"]
    text: Annotated[str, Field(max_length=TEXT_LIMIT)]


class PicturePart(BaseModel):
    """A picture of the caller's."""

    model_config = _LENIENT
    type: Literal["input_image"]
    image_url: str = Field(description="a data: URL; https:// where the service takes URLs")


def _kind(default: str | None = None) -> Discriminator:
    def kind(given: Any) -> str | None:
        found = given.get("type", default) if isinstance(given, dict) else getattr(given, "type", default)
        return {"input_text": "text", "output_text": "text"}.get(str(found), str(found))

    return Discriminator(
        kind,
        custom_error_type="not_taken",
        custom_error_message=(
            "this type is not taken here: send messages with input_text and input_image, and earlier answers' "
            "message and image_generation_call items"
        ),
    )


Part = Annotated[Annotated[TextPart, Tag("text")] | Annotated[PicturePart, Tag("input_image")], _kind()]


class Message(BaseModel):
    """What somebody said. What `system` and `developer` say comes before all else."""

    model_config = _LENIENT
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Annotated[str, Field(max_length=TEXT_LIMIT)] | Annotated[tuple[Part, ...], Field(max_length=256)]


class CallBack(BaseModel):
    """A picture of an earlier answer: its bytes (`result`), or only its id."""

    model_config = _LENIENT
    type: Literal["image_generation_call"]
    id: Annotated[str, Field(max_length=80)] = ""
    result: str | None = None


Item = Annotated[
    Annotated[Message, Tag("message")] | Annotated[CallBack, Tag("image_generation_call")], _kind("message")
]
