"""Pictures that nobody should decode: bombs, cut ones, other formats under a picture's name. Built here, never kept."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes, *, lie: int | None = None, crc: int | None = None) -> bytes:
    length = len(data) if lie is None else lie
    return struct.pack(">I", length) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def png(
    width: int = 8, height: int = 8, *, extra: bytes = b"", depth: int = 8, colour: int = 2, rows: bytes | None = None
) -> bytes:
    """A PNG that claims this size, whatever pixels it has."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rows = b"\0" * 200 if rows is None else rows
    return SIGNATURE + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(format: str, size: tuple[int, int] = (40, 40), **how: object) -> bytes:
    out = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(out, format, **how)
    return out.getvalue()


def moving(format: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    frames[0].save(out, format, save_all=True, append_images=frames[1:])
    return out.getvalue()


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again: few bytes, and a pass over all pixels for each."""
    whole = saved("JPEG", progressive=True)
    start = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[start:-2] * count + whole[-2:]


def webp_of(width: int, height: int) -> bytes:
    """A WebP header that claims a canvas."""
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + b"\0\0\0\0"
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG whose header claims this size."""
    whole = bytearray(saved("JPEG"))
    place = whole.index(b"\xff\xc0")
    whole[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(whole)


def hostile() -> Iterator[tuple[str, bytes]]:
    """Names and bytes."""
    zeros = zlib.compress(b"\0" * 20_000_000, 9)
    yield "png of a terapixel", png(1_000_000, 1_000_000)
    yield "png of 50000 x 50000", png(50_000, 50_000)
    yield "png just over the limit", png(101, 100)
    yield "png of no width", png(0, 8)
    yield "png of no height", png(8, 0)
    yield "png of negative width", png(0xFFFFFFFF, 8)
    yield "png text bomb", png(extra=chunk(b"zTXt", b"Comment\0\0" + zeros))
    yield "png international text bomb", png(extra=chunk(b"iTXt", b"Comment\0\1\0\0\0" + zeros))
    yield "png of many text bombs", png(extra=chunk(b"zTXt", b"c\0\0" + zlib.compress(b"a" * 900_000)) * 90)
    yield "png profile bomb", png(extra=chunk(b"iCCP", b"profile\0\0" + zeros))
    yield "png rows bomb, short of pixels", png(100, 100, rows=b"\0" * 50)
    yield "png with a wrong checksum", png()[:-20] + b"\0" * 20
    yield (
        "png with no pixels",
        SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) + chunk(b"IEND", b""),
    )
    yield "png with a chunk that lies long", png(extra=chunk(b"tEXt", b"a", lie=2**31 - 1))
    yield "png with a chunk that lies longer", png(extra=chunk(b"tEXt", b"a", lie=2**32 - 1))
    yield "png of an unknown depth", png(depth=7)
    yield "png of an unknown colour type", png(colour=5)
    yield (
        "png with junk for pixels",
        SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"junk"),
    )
    yield "png with two headers", png(extra=chunk(b"IHDR", struct.pack(">IIBBBBB", 90_000, 90_000, 8, 2, 0, 0, 0)))
    yield "png signature alone", SIGNATURE
    yield "animated png", moving("PNG")
    yield "animated webp", moving("WEBP")
    yield "webp of 16383 x 16383", webp_of(16_383, 16_383)
    yield "webp of a canvas of 2**24", webp_of(2**24, 2**24)
    yield "webp header alone", b"RIFF\x04\0\0\0WEBP"
    yield "jpeg of 65535 x 65535", jpeg_of(65_535, 65_535)
    yield "jpeg over the limit", jpeg_of(101, 101)
    yield "jpeg of no size", jpeg_of(0, 0)
    yield "jpeg of a thousand scans", many_scans(1000)
    yield "jpeg start alone", b"\xff\xd8\xff"
    for other in ("GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "DDS", "JPEG2000", "PDF", "EPS", "AVIF"):
        try:
            yield f"another format, {other}", saved(other)
        except (KeyError, OSError):  # this Pillow writes none
            continue
    for name in ("PNG", "JPEG", "WEBP"):
        whole = saved(name, size=(90, 90))
        for part in (1, 7, 20, 50):
            yield f"{name} cut after {part} of 60 parts", whole[: len(whole) * part // 60]
    yield "nothing", b""
    yield "one byte", b"\x89"
    yield "svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield "svg with entities", b'<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>'
    yield "html", b"<html><img src=x onerror=alert(1)>"
    yield "gif and script at once", b"GIF89a/*\0\0\0\0\0*/=1;alert(1)"
    yield "bmp and script at once", b"BM=1;alert(1)//" + b"\0" * 60
    yield "pdf", b"%PDF-1.7\n1 0 obj<</OpenAction 2 0 R>>endobj"
    yield "postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file"
    yield "mvg", b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/x'\npop graphic-context"
    yield "zip", b"PK\x03\x04" + b"\0" * 60
    yield (
        "pickle",
        b"\x80\x04\x95\x1e\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94.",
    )
    yield "elf", b"\x7fELF" + b"\0" * 60
    yield "path", b"/etc/passwd"


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()
