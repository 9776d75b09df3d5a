"""One HTTP client for all services: ids on every call, problems as our errors, the one place where calls are retried.

What is retried is absence (no connection, a cut connection, a 503), never an answer: a malformed model answer was
already re-asked by its own service. All calls may safely be made twice: reads, pure questions, idempotent PUTs. While a
service is known to be away, calls fail at once (`breaker`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any

import httpx2
import stamina
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind
from pydantic_core import from_json

from interleavethinker import http, tracing
from interleavethinker.clients.breaker import Breaker, KnownAway
from interleavethinker.errors import InterleaveError, Unavailable

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ServiceClient:
    """Calls one service at `base_url`.

    `timeout`: seconds without a byte before a call counts as lost. `patience`: seconds for which an absent service is
    waited for, over all attempts, of which `attempts` may set a number. `transport` takes the calls instead of the
    network, as `httpx2.ASGITransport(app)` does. `token` is borne on each call (`settings.InternalSettings`).
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 120.0,
        patience: float = 30.0,
        attempts: int | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        token: str | None = None,
    ) -> None:
        self.base_url, self.patience = base_url.rstrip("/"), patience
        self._http = httpx2.AsyncClient(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=httpx2.Timeout(timeout, connect=5.0),
            limits=httpx2.Limits(max_connections=None),
            transport=transport,
        )
        self.breaker = Breaker(self.base_url)
        self._retry = stamina.AsyncRetryingCaller(
            attempts=attempts, timeout=patience, wait_initial=0.1, wait_max=5.0, wait_jitter=0.2
        ).on(_absent)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """The finished response, its body read. Raises the service's own error, or Unavailable when nobody answers."""
        return await self._retry(self._checked, self._ask, method, path, json, params, headers)

    async def events(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[http.SSE, None]:
        """The events of a stream; an `event: problem` is raised as its error.

        Opening is retried. A stream that is cut later is Unavailable: whether to ask again from the start, only the
        caller can know.
        """
        headers = {"Accept": http.EVENT_STREAM, **(headers or {})}
        calling = self._span(method, path)
        try:
            async with aclosing(tracing.through(calling, self._events(method, path, json, headers))) as events:
                async for event in events:
                    yield event
        finally:
            calling.end()

    async def _events(
        self, method: str, path: str, json: Any, headers: Mapping[str, str]
    ) -> AsyncGenerator[http.SSE, None]:
        response = await self._retry(self._checked, self._open, method, path, json, None, headers)
        async with aclosing(response):
            with self._reaching():
                async for event in http.read_sse(response.aiter_lines()):
                    if event.event == "problem":
                        raise _error(500, event.data)
                    yield event

    async def ready(self) -> list[str]:
        """What keeps the service from being ready, in its own words; empty when it is. Asked once, not retried."""
        try:
            await self._ask("GET", "/readyz", None, None, None)
        except Unavailable as error:
            problems = error.extra.get("problems")
            return [str(each) for each in problems] if isinstance(problems, list) else [error.detail]
        return []

    async def close(self) -> None:
        await self._http.aclose()

    async def _checked(self, call: Callable[..., Awaitable[httpx2.Response]], *arguments: Any) -> httpx2.Response:
        self.breaker.check()
        return await call(*arguments)

    async def _ask(
        self, method: str, path: str, json: Any, params: Mapping[str, Any] | None, headers: Mapping[str, str] | None
    ) -> httpx2.Response:
        with self._calling(method, path):
            response = await self._open(method, path, json, params, headers)
            async with aclosing(response):
                with self._reaching():
                    await response.aread()
        return response

    @contextmanager
    def _calling(self, method: str, path: str) -> Iterator[None]:
        calling = self._span(method, path)
        try:
            with tracing.under(calling):
                yield
        finally:
            calling.end()

    def _span(self, method: str, path: str) -> Span:
        """For one call, its answer's last byte included; a try that is repeated has its own. What nobody traces (a
        look at readiness) begins no trace."""
        if not tracing.ids():
            return INVALID_SPAN
        url, template = self._http.base_url, _DIGEST.sub("{digest}", path)
        known = {
            "http.request.method": method,
            "url.template": template,
            "server.address": url.host,
            "server.port": url.port,
        }
        return tracing.start(f"{method} {template}", known, kind=SpanKind.CLIENT)

    async def _open(
        self, method: str, path: str, json: Any, params: Mapping[str, Any] | None, headers: Mapping[str, str] | None
    ) -> httpx2.Response:
        """A response that went well so far, its body unread."""
        ids = {**http.trace_headers(), **tracing.headers()}
        request = self._http.build_request(method, path, json=json, params=params, headers={**ids, **(headers or {})})
        with self._reaching():
            response = await self._http.send(request, stream=True)
            tracing.annotate({"http.response.status_code": response.status_code})
            if response.status_code in (502, 503, 504):
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            if response.is_error:
                raise _error(response.status_code, await response.aread())
        return response

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            self.breaker.failed()
            raise Unavailable(f"{self.base_url} does not answer: {error or type(error).__name__}") from error


def _absent(error: Exception) -> bool:
    """Worth another try here and now."""
    return isinstance(error, Unavailable) and error.retryable and not isinstance(error, KnownAway)


def _error(status: int, body: bytes | str) -> InterleaveError:
    """The error that a body tells; `status` counts where the body does not say one."""
    try:
        found = from_json(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return http.error_from_problem({}, status)
    said = found.get("status")
    return http.error_from_problem(found, said if isinstance(said, int) else status)
