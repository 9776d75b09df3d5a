"""Input images at the door: checked before they are decoded, re-encoded, and from then on known by their digest only.

Refused: other formats than PNG, JPEG and WebP, animation, too many bytes or pixels, and what does not decode. URLs
are not fetched. What is stored is always an RGB PNG of our own writing (no metadata, no odd chunks; transparency on
white).
"""

from __future__ import annotations

import asyncio
import base64
import io
import re
from collections.abc import Sequence

from PIL import Image, ImageOps, UnidentifiedImageError

from interleavethinker.codec.images import dimensions
from interleavethinker.errors import BadRequest
from interleavethinker.ports import Blobs, put_image
from interleavethinker.types import ImageRef
from services.orchestrator.settings import ImageLimits

FORMATS = ("PNG", "JPEG", "WEBP")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")


async def take_images(
    given: Sequence[str], blobs: Blobs, limits: ImageLimits, *, field: str = "images"
) -> tuple[ImageRef, ...]:
    """Store the images and name them. Each is a `data:` URL, bare base64, or the digest of an image already stored.

    Raises BadRequest that says which image is wrong and how.
    """
    if len(given) > limits.count:
        raise BadRequest(f"{field}: at most {limits.count} are taken, got {len(given)}")
    return tuple([await _take(text, f"{field}[{place}]", blobs, limits) for place, text in enumerate(given)])


async def _take(text: str, where: str, blobs: Blobs, limits: ImageLimits) -> ImageRef:
    if not _DIGEST.fullmatch(text):
        png, (width, height) = await asyncio.to_thread(_as_png, _decode(text, where, limits), where, limits)
        return await put_image(blobs, png, width=width, height=height)
    if not await blobs.has(text):
        raise BadRequest(f"{where}: no image with the digest {text} is stored; send its bytes as a data: URL")
    width, height = dimensions(await blobs.get(text))
    return ImageRef(digest=text, width=width, height=height)


def _decode(text: str, where: str, limits: ImageLimits) -> bytes:
    body = _DATA_URL.sub("", text, count=1)
    if body.startswith(("http:", "https:", "data:")):
        raise BadRequest(f"{where}: write data:image/png;base64,... or bare base64; URLs are not fetched")
    if len(body) * 3 // 4 > limits.bytes + 2:
        raise BadRequest(f"{where}: more than {limits.bytes} bytes; send a smaller image")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:  # binascii.Error is one, and so is what letters beyond ASCII raise
        raise BadRequest(f"{where}: not base64") from error


def _as_png(data: bytes, where: str, limits: ImageLimits) -> tuple[bytes, tuple[int, int]]:
    """The picture as our own PNG, and its (width, height). What the decoder said is never shown to the caller."""
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
    return out.getvalue(), upright.size
