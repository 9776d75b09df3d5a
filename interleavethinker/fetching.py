"""Pictures by URL, where the settings allow them: fetched once, by us, with limits on everything.

The address is `outbound`'s affair (public ones only, pinned, no redirects). Here: the scheme, the status, what the
answer says it is, its bytes, and the time for all of it. What the bytes are is for whoever decodes them to find out, as
with any other picture. Nothing that the far side says is passed on to the caller.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import httpx2

from interleavethinker.errors import BadRequest
from interleavethinker.outbound import Resolve, check_url, outbound_client, system_resolve

MEDIA_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})
_HEADERS = {"Accept": "image/png, image/jpeg, image/webp", "Accept-Encoding": "identity"}


class FetchRules(Protocol):
    """`fetch`: whether at all; `insecure`: http:// too; `private`: from our own network too; `seconds`: for one
    picture, from the first byte asked to the last."""

    @property
    def fetch(self) -> bool: ...
    @property
    def insecure(self) -> bool: ...
    @property
    def private(self) -> bool: ...
    @property
    def seconds(self) -> float: ...


class PictureFetch:
    """Called with a URL and the most bytes it may have; its bytes. Raises BadRequest."""

    def __init__(self, settings: FetchRules, *, resolve: Resolve = system_resolve) -> None:
        self._settings, self._resolve = settings, resolve

    async def __call__(self, url: str, most: int) -> bytes:
        if not self._settings.fetch:
            raise BadRequest("URLs are not fetched; send the image's bytes as data:image/png;base64,...")
        if check_url(url, private=self._settings.private).scheme != "https" and not self._settings.insecure:
            raise BadRequest("only https:// URLs are fetched")
        try:
            async with asyncio.timeout(self._settings.seconds):
                return await self._fetch(url, most)
        except TimeoutError:
            raise BadRequest(f"the URL did not give its image within {self._settings.seconds:g} s") from None
        except httpx2.HTTPError:
            raise BadRequest("the URL cannot be fetched") from None

    async def _fetch(self, url: str, most: int) -> bytes:
        async with (
            outbound_client(
                private=self._settings.private, seconds=self._settings.seconds, resolve=self._resolve
            ) as client,
            client.stream("GET", url, headers=_HEADERS) as response,
        ):
            said = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status_code != 200:
                raise BadRequest("the URL does not answer with an image (200); redirects are not followed")
            if said not in MEDIA_TYPES or response.headers.get("content-encoding", "identity") != "identity":
                raise BadRequest("the URL's answer is not image/png, image/jpeg or image/webp")
            data = bytearray()
            async for piece in response.aiter_raw():
                data += piece
                if len(data) > most:
                    raise BadRequest(f"the URL's image has more than {most} bytes")
            return bytes(data)
