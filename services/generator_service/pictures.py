"""Encoded pictures in and out: references are opened with limits, drawings are marked as generated.

The same drawing gives the same bytes: nothing of the moment or the machine goes into the file.
"""

from __future__ import annotations

import io

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from interleavethinker.errors import BadRequest
from interleavethinker.types import ImageJob

FORMATS = ("PNG", "JPEG", "WEBP")
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media made by a trained model (EU AI Act, art. 50)."""


def open_reference(data: bytes, *, name: str, max_pixels: int) -> Image.Image:
    """The picture in RGB. The header is checked before anything is decoded; raises BadRequest."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > max_pixels:
            raise BadRequest(f"{name} has {picture.width} x {picture.height} pixels; at most {max_pixels} are allowed")
        return picture.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadRequest(f"{name} is no readable {', '.join(FORMATS)} picture") from error


def fitted(picture: Image.Image, most_pixels: int | None) -> Image.Image:
    """The picture, scaled down with its shape kept where it has more than `most_pixels`."""
    if most_pixels is None or picture.width * picture.height <= most_pixels:
        return picture
    scale = (most_pixels / (picture.width * picture.height)) ** 0.5
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BOX)  # BOX gives an enlarged picture's own pixels back


def marked_png(picture: Image.Image, job: ImageJob, model: str) -> bytes:
    """PNG with its provenance in text fields: that it is generated, by what, and from which prompt and seed."""
    marks = PngImagePlugin.PngInfo()
    marks.add_text("Software", "InterleaveThinker")
    marks.add_text("DigitalSourceType", GENERATED)
    marks.add_itxt("Model", model)
    marks.add_text("Seed", str(job.seed))
    marks.add_itxt("Prompt", job.prompt)
    out = io.BytesIO()
    picture.save(out, format="PNG", pnginfo=marks)
    return out.getvalue()
