"""Images as the models are shown them: the blank before step 1, and fewer pixels where there are many.

Encoded bytes in, encoded bytes out; png, jpeg and webp only. Storing and fetching images is not done here.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from interleavethinker.errors import BadRequest


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Pixels an image may have for a VLM; fewer from `many_from` images on (paper.md sections 2 and 4)."""

    max_pixels: int = 1024 * 1024
    many_from: int = 5
    many_pixels: int = 384 * 384


@lru_cache(maxsize=16)
def blank(width: int, height: int) -> bytes:
    """A white PNG: what the critic is shown as "before" at a first step without an input image (paper.md section 1)."""
    return _png(Image.new("RGB", (width, height), "white"))


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header alone. Raises BadRequest."""
    return _opened(data).size


def cap_pixels(data: bytes, max_pixels: int) -> bytes:
    """The same bytes if the image has at most `max_pixels` pixels, else a smaller PNG of the same shape, on white where
    it was transparent. Raises BadRequest for what cannot be decoded."""
    image = _opened(data)
    width, height = image.size
    if width * height <= max_pixels:
        return data
    scale = (max_pixels / (width * height)) ** 0.5
    size = (max(1, min(int(width * scale), max_pixels)), max(1, min(int(height * scale), max_pixels)))
    try:
        pixels = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError):
        raise BadRequest("the image is damaged: its pixels cannot be decoded") from None
    white = Image.new("RGBA", pixels.size, "white")
    return _png(Image.alpha_composite(white, pixels).convert("RGB").resize(size, Image.Resampling.LANCZOS))


def planner_images(images: Sequence[bytes], limits: ImageLimits = ImageLimits()) -> list[bytes]:
    """The brief's images as the planner sees them: from `limits.many_from` images on, each is capped at
    `limits.many_pixels`, below that at `limits.max_pixels`."""
    pixels = limits.many_pixels if len(images) >= limits.many_from else limits.max_pixels
    return [cap_pixels(data, pixels) for data in images]


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise BadRequest("this is not an image that can be read: send a png, jpeg or webp of sensible size") from None


def _png(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()
