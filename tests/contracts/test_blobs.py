"""The contract of `ports.Blobs`, for every implementation."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from interleavethinker.blobs import open_blobs
from interleavethinker.errors import NotFound
from interleavethinker.ports import Blobs, put_image
from interleavethinker.settings import BlobSettings

STORES: dict[str, Callable[[Path], Blobs]] = {
    "directory": lambda path: open_blobs(BlobSettings(url=str(path / "blobs"))),
    "file url": lambda path: open_blobs(BlobSettings(url=f"file://{path}/with%20space/blobs")),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return STORES[request.param](tmp_path)


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 5000])
async def test_what_is_put_is_got(store: Blobs, data: bytes):
    digest = await store.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert await store.has(digest)
    assert await store.get(digest) == data


async def test_putting_again_changes_nothing(store: Blobs):
    assert await store.put(b"once") == await store.put(b"once")
    assert await store.get(hashlib.sha256(b"once").hexdigest()) == b"once"


async def test_many_writers_of_the_same_and_of_others(store: Blobs):
    contents = [str(n % 5).encode() * 10_000 for n in range(40)]
    digests = await asyncio.gather(*map(store.put, contents))
    assert await asyncio.gather(*map(store.get, digests)) == contents


@pytest.mark.parametrize("name", ["0" * 64, "", "ab", "../../etc/passwd", "A" * 64, "0" * 63 + "\n", "0" * 65])
async def test_what_is_not_there_is_not_found(store: Blobs, name: str):
    await store.put(b"something else")
    assert not await store.has(name)
    with pytest.raises(NotFound):
        await store.get(name)


async def test_an_image_is_named_by_its_bytes(store: Blobs):
    image = await put_image(store, b"png", width=3, height=4)
    assert (image.width, image.height, image.media_type) == (3, 4, "image/png")
    assert await store.get(image.digest) == b"png"


async def test_a_second_process_sees_the_first_ones(tmp_path: Path):
    for open_store in STORES.values():
        digest = await open_store(tmp_path).put(b"shared")
        assert await open_store(tmp_path).get(digest) == b"shared"
