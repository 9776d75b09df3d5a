"""Input images at the door: checked before they are decoded, re-encoded, and from then on known by their digest only.

Refused: other formats than PNG, JPEG and WebP, animation, too many bytes, pixels or scans, and what does not decode.
URLs are fetched by `fetching`, where at all. What is stored is always an RGB PNG of our own writing (no metadata, no
odd chunks, nothing before or after the picture; transparency on white), and only when all images of a request are good.
"""

from __future__ import annotations

import asyncio
import base64
import io
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from interleavethinker.codec.images import dimensions
from interleavethinker.errors import BadRequest, InterleaveError
from interleavethinker.events import Drawn, Event
from interleavethinker.ports import Blobs, put_image
from interleavethinker.types import ImageRef, InterleaveRequest
from services.orchestrator.settings import ImageLimits

FORMATS = ("PNG", "JPEG", "WEBP")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_JPEG, _SCAN = b"\xff\xd8", b"\xff\xda"
MOST_SCANS = 100
"""A progressive JPEG has about ten. Each one costs a pass over the whole picture, however few bytes it has."""


Fetch = Callable[[str, int], Awaitable[bytes]]
"""The bytes behind a URL, at most so many. Raises BadRequest."""


class _Taken(NamedTuple):
    """A picture that is good but not stored yet."""

    png: bytes
    width: int
    height: int


async def take_images(
    given: Mapping[str, Sequence[str]], blobs: Blobs, limits: ImageLimits, fetch: Fetch
) -> dict[str, tuple[ImageRef, ...]]:
    """Store the images of each field and name them. Each is a `data:` URL, bare base64, the digest of an image that
    this tenant has stored already, or a URL.

    Raises BadRequest that says which image is wrong and how; then none is stored.
    """
    for field, texts in given.items():
        if len(texts) > limits.count:
            raise BadRequest(f"{field}: at most {limits.count} are taken, got {len(texts)}")
    found = {
        field: [await _take(text, f"{field}[{place}]", blobs, limits, fetch) for place, text in enumerate(texts)]
        for field, texts in given.items()
    }
    return {
        field: tuple([await put_image(blobs, each.png, width=each.width, height=each.height) for each in taken])
        for field, taken in found.items()
    }


async def hold(blobs: Blobs, request: InterleaveRequest, *events: Event) -> None:
    """Put again what a new run takes over from another one: no collection of what is old can then take it before the
    run refers to it. Raises NotFound for an image that is gone."""
    drawn = (event.drawing.image for event in events if isinstance(event, Drawn))
    for digest in {image.digest for image in (*request.brief.images, *request.references, *drawn)}:
        await blobs.put(await blobs.get(digest))


async def _take(text: str, where: str, blobs: Blobs, limits: ImageLimits, fetch: Fetch) -> _Taken:
    if not _DIGEST.fullmatch(text):
        data = await _fetched(text, where, limits, fetch) if _URL.match(text) else _decode(text, where, limits)
        return await asyncio.to_thread(_as_png, data, where, limits)
    if not await blobs.has(text):
        raise BadRequest(f"{where}: no image with the digest {text} is stored; send its bytes as a data: URL")
    # Put again with the others: then no collection of what is old can take it before the run refers to it.
    png = await blobs.get(text)
    return _Taken(png, *dimensions(png))


async def _fetched(url: str, where: str, limits: ImageLimits, fetch: Fetch) -> bytes:
    try:
        return await fetch(url, limits.bytes)
    except InterleaveError as error:
        error.detail = f"{where}: {error.detail}"
        raise


def _decode(text: str, where: str, limits: ImageLimits) -> bytes:
    body = _DATA_URL.sub("", text, count=1)
    if body.startswith("data:"):
        raise BadRequest(f"{where}: write data:image/png;base64,... or bare base64")
    if len(body) * 3 // 4 > limits.bytes + 2:
        raise BadRequest(f"{where}: more than {limits.bytes} bytes; send a smaller image")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:  # binascii.Error is one, and so is what letters beyond ASCII raise
        raise BadRequest(f"{where}: not base64") from error


def _as_png(data: bytes, where: str, limits: ImageLimits) -> _Taken:
    """The picture as our own PNG. What the decoder said is never shown to the caller."""
    if data.startswith(_JPEG) and data.count(_SCAN) > MOST_SCANS:
        raise BadRequest(f"{where}: more than {MOST_SCANS} scans; send a plain JPEG")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > limits.pixels:
                size = f"{image.width}x{image.height}"
                raise BadRequest(f"{where}: {size} is more than {limits.pixels} pixels; send a smaller image")
            if getattr(image, "is_animated", False):
                raise BadRequest(f"{where}: animated images are not taken; send one frame")
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except BadRequest:
        raise
    except UnidentifiedImageError as error:
        raise BadRequest(f"{where}: not a PNG, JPEG or WebP image") from error
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise BadRequest(f"{where}: the image is damaged and cannot be decoded") from error
    white = Image.new("RGBA", upright.size, "white")
    white.alpha_composite(upright)
    out = io.BytesIO()
    white.convert("RGB").save(out, "PNG")
    return _Taken(out.getvalue(), *upright.size)
