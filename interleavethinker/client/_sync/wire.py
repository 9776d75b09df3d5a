"""One call to the service, made again where that is right: an absent one is waited for, and no POST is done twice."""

# Made from the file of this name in `_async` by `make client`: change that one.
from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import httpx2
import stamina

from interleavethinker.client.access import Access, Patience
from interleavethinker.client.answers import error


class Wire:
    def __init__(self, access: Access, transport: httpx2.BaseTransport | None = None) -> None:
        self.access = access
        self._patience = Patience(access.patience)
        self._again = stamina.RetryingCaller(**access.retrying)
        self._http = httpx2.Client(
            base_url=access.url, headers=access.headers, timeout=access.timeouts(), transport=transport
        )

    def close(self) -> None:
        self._http.close()

    def call(
        self, method: str, path: str, *, json: Any = None, query: dict[str, Any] | None = None, key: str | None = None
    ) -> bytes:
        """The answer's body. What changes something bears an Idempotency-Key, so that a call whose answer was lost is
        safe to repeat: `key`, or a fresh one for this call and its repetitions."""
        headers = {"Idempotency-Key": key or str(uuid4())} if method != "GET" else {}
        return self._again.on(self._patience.hook)(self._answer, method, path, json, query, headers)

    def open(self, path: str, headers: dict[str, str], quiet: float) -> httpx2.Response:
        """A stream that has begun well; to be closed. `quiet`: without a byte for so many seconds it is lost."""
        return self._again.on(self._patience.hook)(self._send, "GET", path, None, None, headers, quiet)

    def _answer(
        self, method: str, path: str, json: Any, query: dict[str, Any] | None, headers: dict[str, str]
    ) -> bytes:
        with self._reaching(), closing(self._send(method, path, json, query, headers, None)) as response:
            return response.read()

    def _send(
        self,
        method: str,
        path: str,
        json: Any,
        query: dict[str, Any] | None,
        headers: dict[str, str],
        quiet: float | None,
    ) -> httpx2.Response:
        """A response that went well so far, its body unread."""
        with self._reaching():
            request = self._http.build_request(
                method, path, json=json, params=query, headers=headers, timeout=self.access.timeouts(quiet)
            )
            response = self._http.send(request, stream=True)
            if response.is_success:
                self._patience.heard = True
                return response
            with closing(response):
                raise error(response.status_code, response.headers, response.read())

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.TransportError, httpx2.InvalidURL) as lost:
            raise self.access.lost(lost) from lost
