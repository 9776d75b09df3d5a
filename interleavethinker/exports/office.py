"""What Word and PowerPoint files share: fonts by language, pictures that both can hold, files without the moment."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

from PIL import Image

from interleavethinker.exports.shown import Picture

WIDE_SCRIPTS = frozenset({"zh", "ja", "ko"})
FONT, MONOSPACED = "Arial", "Courier New"
"""For every script but the East Asian ones: it has or finds their letters on Windows and a Mac; others replace it."""
_EAST_ASIAN = {
    "ja": "Yu Gothic",
    "ko": "Malgun Gothic",
    "zh": "Microsoft YaHei",
    "zh-HK": "Microsoft JhengHei",
    "zh-Hant": "Microsoft JhengHei",
    "zh-TW": "Microsoft JhengHei",
}
_PACKED = (".png", ".jpg", ".jpeg")
_THEN = (1980, 1, 1, 0, 0, 0)


def east_asian_font(language: str) -> str:
    """The font whose forms are this language's; simplified Chinese's where it has none of its own."""
    return _EAST_ASIAN.get(language) or _EAST_ASIAN.get(language.partition("-")[0], _EAST_ASIAN["zh"])


def neutral(moment: datetime) -> datetime:
    """UTC without saying so, as python-docx and python-pptx write it."""
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def picture_bytes(picture: Picture) -> bytes:
    """The picture in a kind that every office program opens: WebP, which some do not, becomes PNG."""
    if picture.media_type in ("image/png", "image/jpeg"):
        return picture.data
    out = io.BytesIO()
    with Image.open(io.BytesIO(picture.data)) as opened:
        opened.save(out, "PNG")
    return out.getvalue()


def repacked(data: bytes) -> bytes:
    """The same package with one date for all its parts, so that equal documents are equal files."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            kind = zipfile.ZIP_STORED if entry.filename.endswith(_PACKED) else zipfile.ZIP_DEFLATED
            new.writestr(zipfile.ZipInfo(entry.filename, _THEN), old.read(entry), kind)
    return out.getvalue()
