"""One call to the service, made again where that is right: an absent one is waited for, and no POST is done twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import stamina

from interleavethinker.client.access import Access, Patience
from interleavethinker.client.answers import error


class AsyncWire:
    def __init__(self, access: Access, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.access = access
        self._patience = Patience(access.patience)
        self._again = stamina.AsyncRetryingCaller(**access.retrying)
        self._http = httpx2.AsyncClient(
            base_url=access.url, headers=access.headers, timeout=access.timeouts(), transport=transport
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def call(
        self, method: str, path: str, *, json: Any = None, query: dict[str, Any] | None = None, key: str | None = None
    ) -> bytes:
        """The answer's body. What changes something bears an Idempotency-Key, so that a call whose answer was lost is
        safe to repeat: `key`, or a fresh one for this call and its repetitions."""
        headers = {"Idempotency-Key": key or str(uuid4())} if method != "GET" else {}
        return await self._again.on(self._patience.hook)(self._answer, method, path, json, query, headers)

    async def open(self, path: str, headers: dict[str, str], quiet: float) -> httpx2.Response:
        """A stream that has begun well; to be closed. `quiet`: without a byte for so many seconds it is lost."""
        return await self._again.on(self._patience.hook)(self._send, "GET", path, None, None, headers, quiet)

    async def _answer(
        self, method: str, path: str, json: Any, query: dict[str, Any] | None, headers: dict[str, str]
    ) -> bytes:
        async with self._reaching(), aclosing(await self._send(method, path, json, query, headers, None)) as response:
            return await response.aread()

    async def _send(
        self,
        method: str,
        path: str,
        json: Any,
        query: dict[str, Any] | None,
        headers: dict[str, str],
        quiet: float | None,
    ) -> httpx2.Response:
        """A response that went well so far, its body unread."""
        async with self._reaching():
            request = self._http.build_request(
                method, path, json=json, params=query, headers=headers, timeout=self.access.timeouts(quiet)
            )
            response = await self._http.send(request, stream=True)
            if response.is_success:
                self._patience.heard = True
                return response
            async with aclosing(response):
                raise error(response.status_code, response.headers, await response.aread())

    @asynccontextmanager
    async def _reaching(self) -> AsyncIterator[None]:
        try:
            yield
        except (httpx2.TransportError, httpx2.InvalidURL) as lost:
            raise self.access.lost(lost) from lost
