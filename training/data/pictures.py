"""Image files beside JSON: names by content, and the white picture that stands for "nothing yet"."""

from __future__ import annotations

import hashlib
from pathlib import Path

from interleavethinker.codec.images import blank, dimensions
from interleavethinker.errors import BadRequest

BLANK = "blank-"
"""How the file of a white picture begins that stands where there was no picture before (paper.md section 1)."""
_ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp"}


class PictureFiles:
    """Pictures in `root`/images; each distinct one is written once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "images").mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Its path relative to the root. Raises BadRequest for what is no PNG, JPEG or WebP."""
        ending = next((ending for magic, ending in _ENDINGS.items() if data.startswith(magic)), None)
        if ending is None:
            raise BadRequest("a picture is neither PNG, JPEG nor WebP: the row that holds it is broken")
        return self._write(hashlib.sha256(data).hexdigest()[:24] + ending, data)

    def put_before(self, before: bytes | None, after: bytes) -> str:
        """The picture before, or a white one of the size of the picture after."""
        if before is not None:
            return self.put(before)
        width, height = dimensions(after)
        return self._write(f"{BLANK}{width}x{height}.png", blank(width, height))

    def _write(self, name: str, data: bytes) -> str:
        path = self.root / "images" / name
        if not path.is_file():
            path.write_bytes(data)
        return f"images/{name}"


def get(root: Path, name: str, where: str) -> bytes:
    """Raises BadRequest, naming the row, for a missing file or a path that leaves the directory."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        raise BadRequest(f"{where}: the image {name!r} is missing in {root}")
    return path.read_bytes()


def get_before(root: Path, name: str, where: str) -> bytes | None:
    """None for a white picture that stands for nothing."""
    data = get(root, name, where)
    return None if Path(name).name.startswith(BLANK) else data
