"""Input images by URL: off unless set, https unless set, public addresses unless set; and limits on what comes back."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.errors import InterleaveError
from interleavethinker.fetching import PictureFetch
from services.orchestrator.access_settings import ReferenceSettings
from tests.doors import SNOWMAN, WAIT, opened, picture

PNG = base64.b64decode(picture().partition(",")[2])
OPEN = ReferenceSettings(fetch=True, insecure=True, private=True, seconds=2.0)
ANSWERS = {
    "/cat.png": (b"200 OK", b"image/png", PNG),
    "/page.png": (b"200 OK", b"text/html", PNG),
    "/gone.png": (b"404 Not Found", b"image/png", PNG),
    "/moved.png": (b"302 Found\r\nLocation: /cat.png", b"image/png", PNG),
    "/long.png": (b"200 OK", b"image/png", PNG + b"\0" * 200_000),
    "/packed.png": (b"200 OK\r\nContent-Encoding: gzip", b"image/png", gzip.compress(b"\0" * 1_000_000)),
    "/fake.png": (b"200 OK", b"image/png", b"<html>"),
}


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A web site on this machine."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if path == "/slow.png":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
            for _ in range(100):  # a byte now and then, so that no single wait is long
                writer.write(b"\0")
                await asyncio.sleep(0.1)
        else:
            status, kind, body = ANSWERS[path]
            length = str(len(body)).encode()
            head = b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + length + b"\r\n\r\n"
            writer.write(head + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_picture_is_fetched(site: str):
    assert await PictureFetch(OPEN)(f"{site}/cat.png", 100_000) == PNG


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/page.png", "not image/png"),
        ("/gone.png", "does not answer with an image"),
        ("/moved.png", "redirects are not followed"),
        ("/long.png", "more than 100000 bytes"),
        ("/packed.png", "not image/png"),
        ("/slow.png", "within 2 s"),
    ],
)
async def test_what_is_not_a_picture_of_sensible_size_is_refused(site: str, path: str, said: str):
    with pytest.raises(InterleaveError, match=said):
        await PictureFetch(OPEN)(f"{site}{path}", 100_000)


async def test_nobody_answers():
    with pytest.raises(InterleaveError, match="cannot be fetched"):
        await PictureFetch(OPEN)("http://127.0.0.1:9/cat.png", 100_000)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "not fetched"),
        ({"fetch": True}, "not a public one"),
        ({"fetch": True, "insecure": True}, "not a public one"),
        ({"fetch": True, "private": True}, "only https"),
    ],
)
async def test_each_door_is_opened_by_itself(site: str, settings: dict[str, bool], said: str):
    with pytest.raises(InterleaveError, match=said):
        await PictureFetch(ReferenceSettings(**settings))(f"{site}/cat.png", 100_000)


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1", "100.64.0.1", "0.0.0.0"])
async def test_a_name_with_a_private_address_is_refused(address: str):
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34", address]

    with pytest.raises(InterleaveError, match="not a public one"):
        await PictureFetch(ReferenceSettings(fetch=True), resolve=resolve)("https://cats.example/cat.png", 100_000)


async def test_in_a_request(site: str, tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, references=OPEN) as (_, client):
        good, bad = f"{site}/cat.png", f"{site}/fake.png"
        made = await client.post("/interleave", json=SNOWMAN | {"images": [good]}, headers=WAIT)
        assert made.json()["document"]["request"]["brief"]["images"][0]["width"] == 20
        refused = await client.post("/interleave", json=SNOWMAN | {"images": [good, bad]})
        assert (refused.status_code, refused.json()["detail"]) == (422, "images[1]: not a PNG, JPEG or WebP image")
