"""Pictures on their way to and from a server: sizes and shapes it offers, references as PNG, answers as pictures.

Nothing that a server sends is trusted: base64 is checked, the header is read before anything is decoded, and what comes
out is drawn anew (`services/generator_service/pictures.py`).
"""

from __future__ import annotations

import base64
import binascii
import io
import math
from collections.abc import Sequence

from PIL import Image, ImageOps

from interleavethinker.errors import BadRequest
from interleavethinker.types import Size
from services.generator_service.pictures import fitted, open_reference


class Unusable(Exception):
    """An answer without a picture that can be used; the words say what it was instead."""


def from_base64(text: object, *, max_pixels: int) -> Image.Image:
    """The picture in RGB. Raises Unusable."""
    if not isinstance(text, str):
        raise Unusable("its picture is no text")
    body = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return from_bytes(base64.b64decode(body, validate=True), max_pixels=max_pixels)
    except (binascii.Error, ValueError):
        raise Unusable("its picture is no base64") from None


def from_bytes(data: bytes, *, max_pixels: int) -> Image.Image:
    """The picture in RGB, on white where it is transparent. Raises Unusable."""
    try:
        return open_reference(data, name="its picture", max_pixels=max_pixels, on_white=True)
    except BadRequest as error:
        raise Unusable(error.detail) from None


def to_png(picture: Image.Image, most_pixels: int) -> bytes:
    """A reference as the server gets it."""
    out = io.BytesIO()
    fitted(picture, most_pixels).save(out, "PNG")
    return out.getvalue()


def nearest(wanted: Size, offered: Sequence[Size]) -> Size:
    """Of the offered sizes, the one with the nearest shape; of several such, the one with the nearest area."""

    def distance(size: Size) -> tuple[float, float]:
        shape = math.log(size.width / size.height) - math.log(wanted.width / wanted.height)
        area = math.log(size.width * size.height) - math.log(wanted.width * wanted.height)
        return round(abs(shape), 6), abs(area)

    return min(offered, key=distance)


def in_size(picture: Image.Image, size: Size | None) -> Image.Image:
    """The picture in just this size: scaled, and cut at two sides where its shape is another one."""
    if size is None or picture.size == (size.width, size.height):
        return picture
    return ImageOps.fit(picture, (size.width, size.height), Image.Resampling.LANCZOS)
