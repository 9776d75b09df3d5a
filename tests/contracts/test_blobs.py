"""The contract of `ports.Blobs`, and of `blobs.Store`, for every implementation."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interleavethinker import http
from interleavethinker.blobs import DamagedBlob, Store, TenantBlobs, open_blobs, open_store
from interleavethinker.errors import BadSettings, NotFound
from interleavethinker.ports import put_image
from interleavethinker.settings import BlobSettings

Open = Callable[[], Store]


@pytest.fixture(scope="session")
def s3() -> Iterator[Callable[[], str]]:
    """Makes buckets in an S3 server on this machine, and gives their URLs."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    own = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    own |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true", "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in own.items():
            environment.setenv(name, value)

        def make() -> str:
            bucket = f"pictures-{secrets.token_hex(6)}"
            boto3.client("s3").create_bucket(Bucket=bucket)
            return f"s3://{bucket}/some/prefix"

        yield make
    server.stop()


@pytest.fixture(params=["directory", "file url", pytest.param("s3", marks=pytest.mark.slow)])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one and the same store, anew each time."""
    match request.param:
        case "directory":
            url = str(tmp_path / "blobs")
        case "file url":
            url = f"file://{tmp_path}/with%20space/blobs"
        case _:
            url = request.getfixturevalue("s3")()
    return lambda: open_store(BlobSettings(url=url))


@pytest.fixture
def store(again: Open) -> Store:
    return again()


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 5000])
async def test_what_is_put_is_got(store: Store, data: bytes):
    digest = await store.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert await store.has(digest)
    assert await store.get(digest) == data


async def test_putting_again_changes_nothing(store: Store):
    assert await store.put(b"once") == await store.put(b"once")
    assert await store.get(hashlib.sha256(b"once").hexdigest()) == b"once"
    assert len([blob async for blob in store.all()]) == 1


async def test_many_writers_of_the_same_and_of_others(store: Store):
    contents = [str(n % 5).encode() * 10_000 for n in range(40)]
    digests = await asyncio.gather(*map(store.put, contents))
    assert await asyncio.gather(*map(store.get, digests)) == contents


@pytest.mark.parametrize("name", ["0" * 64, "", "ab", "../../etc/passwd", "A" * 64, "0" * 63 + "\n", "0" * 65])
async def test_what_is_not_there_is_not_found(store: Store, name: str):
    await store.put(b"something else")
    assert not await store.has(name)
    with pytest.raises(NotFound):
        await store.get(name)


async def test_an_image_is_named_by_its_bytes(store: Store):
    image = await put_image(store, b"png", width=3, height=4)
    assert (image.width, image.height, image.media_type) == (3, 4, "image/png")
    assert await store.get(image.digest) == b"png"


async def test_a_second_process_sees_the_first_ones(again: Open):
    digest = await again().put(b"shared")
    assert await again().get(digest) == b"shared"


async def test_tenants_have_spaces_of_their_own(store: Store):
    ours, theirs = store.within("ours"), store.within("theirs")
    digest = await ours.put(b"a secret")
    for other in (store, theirs):
        assert not await other.has(digest)
        with pytest.raises(NotFound):
            await other.get(digest)
    await theirs.put(b"a secret")
    found = {blob.tenant: blob async for blob in store.all()}
    assert found.keys() == {"ours", "theirs"}
    assert await store.delete(found["theirs"])
    assert await ours.get(digest) == b"a secret"
    assert not await theirs.has(digest)


@pytest.mark.parametrize("name", ["", ".", "..", "../ours", "a/b", "/etc", "a\0", "a" * 65, "ä"])
async def test_a_tenants_name_leads_nowhere_else(store: Store, name: str):
    with pytest.raises(NotFound):
        store.within(name)


async def test_the_tenant_is_the_one_whom_it_is_done_for(store: Store):
    blobs = TenantBlobs(store)
    common = await blobs.put(b"common")
    token = http.tenant.set("ours")
    own = await blobs.put(b"own")
    assert await blobs.get(own) == b"own" and not await blobs.has(common)
    http.tenant.reset(token)
    assert await blobs.get(common) == b"common" and not await blobs.has(own)


async def test_all_are_listed_and_can_be_deleted(store: Store):
    digests = {await store.put(b"a"), await store.put(b"b")}
    listed = [blob async for blob in store.all()]
    assert {blob.digest for blob in listed} == digests and all(blob.tenant is None for blob in listed)
    assert await store.delete(listed[0]) and not await store.delete(listed[0])
    assert not await store.has(listed[0].digest) and await store.has(listed[1].digest)


async def test_what_was_put_again_since_it_was_listed_is_not_deleted(store: Store):
    digest = await store.put(b"a")
    (listed,) = [blob async for blob in store.all()]
    assert not await store.delete(listed._replace(at=listed.at - 10))
    assert await store.has(digest)


async def test_damage_is_noticed_and_mended_by_the_next_put(tmp_path: Path):
    store = open_store(BlobSettings(url=str(tmp_path)))
    digest = await store.put(b"whole")
    place = tmp_path / digest[:2] / digest[2:4] / digest
    place.write_bytes(b"cut")
    with pytest.raises(DamagedBlob):
        await store.get(digest)
    assert await store.put(b"whole") == digest
    assert await store.get(digest) == b"whole"


@pytest.mark.parametrize("url", ["ftp://a/b", "s3://", "file://else/where"])
def test_what_is_no_store(url: str):
    with pytest.raises(BadSettings, match=r"blobs\.url"):
        open_blobs(BlobSettings(url=url))
