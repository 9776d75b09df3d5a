"""Small versions of the pictures of runs, made when they are asked for and kept in memory for a while.

Only our own pictures come here: re-encoded at the door, or drawn by our workers, so their sizes are known to be sane.
Deliberately not here: who may see which picture (the route looks).
"""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from enum import IntEnum

from PIL import Image

from interleavethinker.ports import Blobs
from interleavethinker.types import ImageRef
from services.orchestrator.metrics import THUMBNAILS


class Width(IntEnum):
    """The widths that there are, in pixels: few, so that what is cached is used."""

    W64 = 64
    W96 = 96
    W128 = 128
    W192 = 192
    W256 = 256
    W384 = 384
    W512 = 512


MEDIA_TYPE = "image/webp"
KEPT_BYTES = 32 * 2**20
AT_ONCE = 2
"""Pictures that are scaled at a time: a page of a hundred must not take every core from the runs."""
QUALITY = 80


class Thumbnails:
    """`http.tenant` says whose store is read, so whoever asks must have been let in to the run."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs, self._room = blobs, asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0

    async def of(self, image: ImageRef, width: int) -> bytes:
        """The picture as a WebP of that width, its shape kept. Raises NotFound when it is not stored any more."""
        name = (image.digest, width)
        if name not in self._kept:
            data = await self._blobs.get(image.digest)
            async with self._room:
                made = await asyncio.to_thread(scaled, data, width)
            THUMBNAILS.inc()
            self._keep(name, made)
            return made
        self._kept.move_to_end(name)
        return self._kept[name]

    def _keep(self, name: tuple[str, int], made: bytes) -> None:
        self._bytes += len(made) - len(self._kept.get(name, b""))
        self._kept[name] = made
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)


def scaled(data: bytes, width: int) -> bytes:
    """An encoded picture as WebP, `width` pixels wide."""
    with Image.open(io.BytesIO(data)) as picture:
        height = max(1, round(picture.height * width / picture.width))
        small = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=QUALITY, method=2)
    return out.getvalue()
