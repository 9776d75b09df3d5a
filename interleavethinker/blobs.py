"""Content-addressed bytes in a directory: a blob's name is the SHA-256 of its content, so writing twice writes once.

Services of one stack share the directory. Deliberately no deletion, no listing and no knowledge of images.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from interleavethinker.errors import BadSettings, NotFound
from interleavethinker.ports import Blobs
from interleavethinker.settings import BlobSettings

_DIGEST = re.compile(r"[0-9a-f]{64}")


class DirectoryBlobs:
    """Implements `ports.Blobs` under `path`, which is made on the first write.

    A blob lies at `ab/cd/abcd...`. Writers never see each other: bytes go to a temporary file, to disk, and then by an
    atomic rename to their name, so that a name that exists holds all of its bytes, whatever was killed when.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    async def put(self, data: bytes) -> str:
        """Store the bytes (once) and return their digest."""
        return await asyncio.to_thread(self._put, data)

    async def get(self, digest: str) -> bytes:
        """The bytes. Raises NotFound, also for a digest that could not be one."""
        try:
            return await asyncio.to_thread(self._place(digest).read_bytes)
        except FileNotFoundError:
            raise NotFound(f"there is no blob {digest}", digest=digest) from None

    async def has(self, digest: str) -> bool:
        return _is_digest(digest) and await asyncio.to_thread(self._place(digest).is_file)

    def _place(self, digest: str) -> Path:
        if not _is_digest(digest):
            raise NotFound(f"{digest[:80]!r} is not a blob's name: 64 lower-case hex digits are", digest=digest[:80])
        return self.path / digest[:2] / digest[2:4] / digest

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        place = self._place(digest)
        if place.is_file():
            return digest
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".writing-", delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, place)
        return digest


def _is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def open_blobs(settings: BlobSettings) -> Blobs:
    """The store that the settings name: a directory's path, or `file://` and an absolute path."""
    url = urlsplit(settings.url)
    if not url.scheme:
        return DirectoryBlobs(settings.url)
    if url.scheme == "file" and url.netloc in ("", "localhost"):
        return DirectoryBlobs(unquote(url.path))
    raise BadSettings(f"blobs.url is {settings.url!r}: write a directory, or file:// and its absolute path")
