"""What the servers of image protocols in tests have in common: real little pictures, tricks they play, and what they
saw."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import threading
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from PIL import Image, ImageDraw
from starlette.responses import Response, StreamingResponse

STEP_SECONDS = 0.02


class Painting:
    """`tricks`: what to do with the next requests instead of drawing, one each. `asked`: every request's body as it was
    understood. `drawn`: pictures made, so pictures billed. `hung_up`: set when a caller left before its answer."""

    def __init__(self, key: str | None = None) -> None:
        self.key = self._first_key = key
        self.tricks: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.drawn = 0
        self.at_once = self.most_at_once = 0
        self.hung_up = threading.Event()
        self.url = ""

    def reset(self) -> None:
        """Forget what was asked and wished since the start; go on serving."""
        url = self.url
        self.__init__(key=self._first_key)  # type: ignore[misc]
        self.url = url

    async def paint(
        self, request: Request, prompt: str, size: tuple[int, int], seed: object, pictures: Sequence[bytes], steps: int
    ) -> Image.Image:
        """A picture that depends on all that was asked, after as long as the steps take."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for _ in range(steps):
                await asyncio.sleep(STEP_SECONDS)
                if await request.is_disconnected():
                    self.hung_up.set()
                    raise asyncio.CancelledError
        finally:
            self.at_once -= 1
        told = hashlib.sha256(f"{prompt}/{seed}".encode())
        for each in pictures:
            told.update(each)
        colour = told.digest()
        picture = Image.new("RGB", size, (colour[0], colour[1], colour[2]))
        ImageDraw.Draw(picture).ellipse((8, 8, size[0] - 8, size[1] - 8), fill=(colour[3], colour[4], colour[5]))
        self.drawn += 1
        return picture


def encoded(picture: Image.Image, format: str = "PNG") -> str:
    out = io.BytesIO()
    picture.save(out, format)
    return base64.b64encode(out.getvalue()).decode()


async def hang(painting: Painting, request: Request) -> Response:
    """Never answer; note when the caller has had enough."""
    while not await request.is_disconnected():  # noqa: ASYNC110 - the connection tells by being asked
        await asyncio.sleep(0.02)
    painting.hung_up.set()
    return Response(status_code=499)


def broken_off() -> Response:
    """An answer that promises more than it gives."""

    async def half() -> Any:
        yield b'{"data": [{"b64_json": "'
        raise ConnectionResetError("the test wants it so")

    return StreamingResponse(half(), headers={"content-length": "5000"}, media_type="application/json")


def form_of(content_type: str, body: bytes) -> list[tuple[str, str | None, str | None, bytes]]:
    """A multipart form's parts: name, file name, media type, content."""
    assert content_type.startswith("multipart/form-data; boundary="), content_type
    boundary = b"--" + content_type.partition("boundary=")[2].encode()
    parts = []
    for raw in body.split(boundary)[1:-1]:
        head, _, content = raw.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        headers = {name.lower(): value for name, value in headers.items()}
        told = dict(each.strip().partition("=")[::2] for each in headers["content-disposition"].split(";")[1:])
        filename = told.get("filename")
        parts.append(
            (told["name"].strip('"'), filename and filename.strip('"'), headers.get("content-type"),
             content.removesuffix(b"\r\n"))
        )  # fmt: skip
    return parts
