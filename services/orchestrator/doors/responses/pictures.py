"""Stored pictures as they were asked for: in base64, as PNG as they are stored, or written anew as JPEG or WebP."""

from __future__ import annotations

import asyncio
import base64
import io

from PIL import Image

from interleavethinker.ports import Blobs
from interleavethinker.types import ImageRef
from services.orchestrator.doors.responses.tools import ImageTool

_QUALITY = 90
_BEST = 95
"""Pillow's best for JPEG; above it files only grow."""


class Pictures:
    """A tenant's pictures, each written once."""

    def __init__(self, blobs: Blobs, tool: ImageTool) -> None:
        self._blobs = blobs
        self.format = tool.output_format or "png"
        self._quality = _QUALITY if tool.output_compression is None else min(tool.output_compression, _BEST)
        self._written: dict[str, str] = {}

    async def base64(self, image: ImageRef) -> str:
        """Raises NotFound for a picture that is gone."""
        if image.digest not in self._written:
            png = await self._blobs.get(image.digest)
            data = png if self.format == "png" else await asyncio.to_thread(self._write, png)
            self._written[image.digest] = base64.b64encode(data).decode()
        return self._written[image.digest]

    def _write(self, png: bytes) -> bytes:
        out = io.BytesIO()
        with Image.open(io.BytesIO(png)) as picture:
            picture.convert("RGB").save(out, self.format, quality=self._quality)
        return out.getvalue()
