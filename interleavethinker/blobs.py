"""Content-addressed bytes: a blob's name is the SHA-256 of its content, so writing twice writes once.

Services of one stack share a store: a directory (here) or an S3-compatible one (`object_blobs`). `open_blobs` keeps
tenants apart: the same bytes of two tenants are two blobs, and neither can read, count or probe the other's.
Deliberately no knowledge of images, nor of who refers to a blob (the orchestrator's `gc` has that).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from interleavethinker import http
from interleavethinker.errors import BadSettings, InterleaveError, NotFound
from interleavethinker.ports import Blobs
from interleavethinker.settings import BlobSettings

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TENANT = re.compile(r"[A-Za-z0-9~][A-Za-z0-9._-]{0,63}")
_OWNED = re.compile(r"(?:tenants/([^/]+)/)?[0-9a-f]{2}/[0-9a-f]{2}/([0-9a-f]{64})")
TENANTS = "tenants"
WRITING = ".writing-"
"""How the names of files begin that are not yet whole."""


class DamagedBlob(InterleaveError):
    """What is stored under this name is not what was stored there: its digest is another one."""

    code = "damaged_blob"


class Stored(NamedTuple):
    """A blob as the store lists it; `at` is when it was last put, in seconds since 1970."""

    tenant: str | None
    digest: str
    at: float


class Store(Blobs, Protocol):
    """A blob store with what only its owner needs. A store's own methods see the space without a tenant, `within` a
    tenant's, and `all` and `delete` every one."""

    def within(self, tenant: str) -> Store: ...

    def all(self) -> AsyncIterator[Stored]:
        """Every blob of every tenant."""
        ...

    async def delete(self, blob: Stored) -> bool:
        """Delete the blob unless it was put again since it was listed; whether it was."""
        ...

    async def leftovers(self, before: float, *, delete: bool) -> int:
        """How many unfinished writes there are that nobody has gone on with since `before` (seconds since 1970): their
        writers were killed. With `delete` they are gone then."""
        ...


class DirectoryBlobs:
    """Implements `Store` under `path`, which is made on the first write.

    A blob lies at `ab/cd/abcd...`. Writers never see each other: bytes go to a temporary file, to disk, and then by an
    atomic rename to their name, so that a name that exists holds all of its bytes, whatever was killed when.
    """

    def __init__(self, path: str | Path, *, root: Path | None = None) -> None:
        self.path = Path(path)
        self._root = root or self.path

    def within(self, tenant: str) -> DirectoryBlobs:
        return DirectoryBlobs(self._root / TENANTS / safe_tenant(tenant), root=self._root)

    async def put(self, data: bytes) -> str:
        """Store the bytes (once) and return their digest."""
        return await asyncio.to_thread(self._put, data)

    async def get(self, digest: str) -> bytes:
        """The bytes. Raises NotFound, also for a digest that could not be one, and DamagedBlob."""
        return await asyncio.to_thread(self._get, digest)

    async def has(self, digest: str) -> bool:
        return is_digest(digest) and await asyncio.to_thread(self._place(digest).is_file)

    async def all(self) -> AsyncIterator[Stored]:
        for place in await asyncio.to_thread(lambda: sorted(self._root.rglob("*"))):
            found = owned(place.relative_to(self._root).as_posix())
            if found:
                yield Stored(*found, at=place.stat().st_mtime)

    async def delete(self, blob: Stored) -> bool:
        space = self.within(blob.tenant) if blob.tenant else DirectoryBlobs(self._root)
        return await asyncio.to_thread(_delete, space._place(blob.digest), blob.at)

    async def leftovers(self, before: float, *, delete: bool) -> int:
        return await asyncio.to_thread(_left_over, self._root, before, delete)

    def _place(self, digest: str) -> Path:
        return self.path / place_of(digest)

    def _get(self, digest: str) -> bytes:
        try:
            return checked(digest, self._place(digest).read_bytes())
        except FileNotFoundError:
            raise unknown(digest) from None

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        place = self._place(digest)
        if place.is_file() and place.stat().st_size == len(data):
            os.utime(place)  # wanted again: no collection of what is old may take it now
            return digest
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=WRITING, delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, place)
        return digest


def _delete(place: Path, listed_at: float) -> bool:
    try:
        if place.stat().st_mtime > listed_at:
            return False
        place.unlink()
    except FileNotFoundError:
        return False
    return True


def _left_over(root: Path, before: float, delete: bool) -> int:
    count = 0
    for place in root.rglob(f"{WRITING}*"):
        with suppress(FileNotFoundError):  # its writer may be about to name it
            if place.stat().st_mtime < before:
                count += 1
                if delete:
                    place.unlink()
    return count


class TenantBlobs:
    """Implements `ports.Blobs`: each call goes to the space of the tenant whom this is done for (`http.tenant`)."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def put(self, data: bytes) -> str:
        return await self._here.put(data)

    async def get(self, digest: str) -> bytes:
        return await self._here.get(digest)

    async def has(self, digest: str) -> bool:
        return await self._here.has(digest)

    @property
    def _here(self) -> Store:
        tenant = http.tenant.get()
        return self.store if tenant is None else self.store.within(tenant)


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def place_of(digest: str) -> str:
    """Where a blob lies within its space. Raises NotFound for what is no digest."""
    if not is_digest(digest):
        raise NotFound(f"{digest[:80]!r} is not a blob's name: 64 lower-case hex digits are", digest=digest[:80])
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


def owned(path: str) -> tuple[str | None, str] | None:
    """Whose blob lies there, and which; None for what is no blob."""
    found = _OWNED.fullmatch(path)
    return (found[1], found[2]) if found else None


def safe_tenant(tenant: str) -> str:
    """The name, if it can be a directory's and leads nowhere else."""
    if not _TENANT.fullmatch(tenant):
        raise NotFound(f"{tenant[:80]!r} is not a tenant's name")
    return tenant


def checked(digest: str, data: bytes) -> bytes:
    """The bytes, if they are the named ones: a thousandth of a second for a picture. Raises DamagedBlob."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedBlob(f"blob {digest} is damaged in the store: put it back from a backup, or have it drawn again")
    return data


def unknown(digest: str) -> NotFound:
    return NotFound(f"there is no blob {digest}", digest=digest)


def open_store(settings: BlobSettings) -> Store:
    """The store that the settings name: a directory's path, `file://` and an absolute path, or `s3://bucket/prefix`."""
    url = urlsplit(settings.url)
    if not url.scheme:
        return DirectoryBlobs(settings.url)
    if url.scheme == "file" and url.netloc in ("", "localhost"):
        return DirectoryBlobs(unquote(url.path))
    if url.scheme == "s3" and url.netloc:
        from interleavethinker.object_blobs import open_s3  # needs the extra `serve`

        return open_s3(settings.url)
    raise BadSettings(
        f"blobs.url is {settings.url!r}: write a directory, file:// and its absolute path, or s3://bucket/prefix"
    )


def open_blobs(settings: BlobSettings) -> TenantBlobs:
    """The same store, tenants kept apart."""
    return TenantBlobs(open_store(settings))
