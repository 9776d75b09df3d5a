"""What is said to a model: messages of text and images, and how a template becomes one.

The image is whatever the caller holds (bytes when serving, a PIL image when training); it is passed on untouched.
Turning messages into tokens is the chat backend's work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Generic, Literal, TypeVar

from interleavethinker.types import IMAGE_MARKER

I = TypeVar("I")  # noqa: E741 - the name the shared interfaces use
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True)
class ImagePart(Generic[I]):
    image: I


@dataclass(frozen=True)
class Message(Generic[I]):
    role: Role
    parts: tuple[TextPart | ImagePart[I], ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """How one question is put: an optional system text, taken as it is, and a user template.

    In the user template `$name` stands for a text (`$$` for a dollar sign) and `<image>` for the next image.
    """

    user: Template
    system: str | None = None

    def messages(self, texts: Mapping[str, str], images: Sequence[I]) -> list[Message[I]]:
        """The messages, for texts whose own `<image>` markers (if any) count as the template's. Raises ValueError
        unless there is one image per marker."""
        first, *others = self.user.substitute(texts).split(IMAGE_MARKER)
        parts: list[TextPart | ImagePart[I]] = [TextPart(first)] if first else []
        for image, text in zip(images, others, strict=True):
            parts.append(ImagePart(image))
            if text:
                parts.append(TextPart(text))
        question = Message[I]("user", tuple(parts))
        return [Message("system", (TextPart(self.system),)), question] if self.system else [question]
