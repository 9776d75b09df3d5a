"""Pictures for people: small ones enlarged crisply, and never without the text that says a machine drew them."""

from __future__ import annotations

import base64
import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

SMALL = 256
"""Pixels of the longer side below which a picture is enlarged, by whole numbers so that it stays crisp."""
FACTOR = 4


def enlarged(data: bytes) -> bytes:
    """The picture as a PNG, `FACTOR` times as large where it is small; a larger one as it is. Its text chunks stay."""
    with Image.open(io.BytesIO(data)) as picture:
        if max(picture.size) >= SMALL:
            return data
        texts = PngInfo()
        for name, text in picture.info.items():
            if isinstance(name, str) and isinstance(text, str):
                texts.add_itxt(name, text)
        size = (picture.width * FACTOR, picture.height * FACTOR)
        out = io.BytesIO()
        picture.resize(size, Image.Resampling.NEAREST).save(out, "PNG", pnginfo=texts)
    return out.getvalue()


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
