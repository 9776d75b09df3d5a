"""Content-addressed bytes in an S3-compatible store, by obstore. Credentials, region and endpoint come from the usual
AWS_* variables (AWS_ENDPOINT_URL and AWS_ALLOW_HTTP=true for a store of one's own).

The same layout as a directory's (`blobs`): `ab/cd/abcd...`, and `tenants/<name>/` before it for a tenant's. A put is
whole or not at all, as S3 has it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store, from_url

from interleavethinker.blobs import TENANTS, Stored, checked, is_digest, owned, place_of, safe_tenant, unknown
from interleavethinker.errors import BadSettings, Unavailable

FRESH_SECONDS = 3600.0
"""A blob put again within so long is not sent again: no collection takes what is so new."""


class ObjectBlobs:
    """Implements `blobs.Store`."""

    def __init__(self, store: S3Store, prefix: str = "") -> None:
        self._store, self._prefix = store, prefix

    def within(self, tenant: str) -> ObjectBlobs:
        return ObjectBlobs(self._store, f"{TENANTS}/{safe_tenant(tenant)}/")

    async def put(self, data: bytes) -> str:
        """Store the bytes and return their digest. One that is old is sent again, so that it counts as new."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._prefix + place_of(digest)
        at, size = await self._look(path)
        if at < time.time() - FRESH_SECONDS or size != len(data):
            try:
                await obstore.put_async(self._store, path, data)
            except BaseError as error:
                raise _away(error) from error
        return digest

    async def get(self, digest: str) -> bytes:
        """The bytes. Raises NotFound, also for a digest that could not be one, and DamagedBlob."""
        try:
            found = await obstore.get_async(self._store, self._prefix + place_of(digest))
            return checked(digest, bytes(await found.bytes_async()))
        except FileNotFoundError:
            raise unknown(digest) from None
        except BaseError as error:
            raise _away(error) from error

    async def has(self, digest: str) -> bool:
        return is_digest(digest) and (await self._look(self._prefix + place_of(digest)))[0] > 0

    async def all(self) -> AsyncIterator[Stored]:
        async for page in obstore.list(self._store):
            for each in page:
                if found := owned(each["path"]):
                    yield Stored(*found, at=each["last_modified"].timestamp())

    async def delete(self, blob: Stored) -> bool:
        space = self.within(blob.tenant) if blob.tenant else ObjectBlobs(self._store)
        path = space._prefix + place_of(blob.digest)
        at, _ = await self._look(path)
        if not 0 < at <= blob.at:
            return False
        await obstore.delete_async(self._store, path)
        return True

    async def leftovers(self, before: float, *, delete: bool) -> int:
        """None that can be seen here: an object is there whole or not at all. Parts of an upload that was cut are for
        the bucket's own rule (AbortIncompleteMultipartUpload)."""
        return 0

    async def _look(self, path: str) -> tuple[float, int]:
        """When it was last put, and its size; zeros where there is none."""
        try:
            found = await obstore.head_async(self._store, path)
        except FileNotFoundError:
            return 0.0, 0
        except BaseError as error:
            raise _away(error) from error
        return found["last_modified"].timestamp(), found["size"]


def open_s3(url: str) -> ObjectBlobs:
    """The store at `s3://bucket/prefix`. Raises BadSettings."""
    try:
        store = from_url(url)
    except (BaseError, ValueError) as error:
        raise BadSettings(f"blobs.url is {url!r}, which cannot be opened: {error}") from error
    assert isinstance(store, S3Store)
    return ObjectBlobs(store)


def _away(error: Exception) -> Unavailable:
    return Unavailable(f"the image store does not answer: {type(error).__name__}")
