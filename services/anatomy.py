"""What every service is made of: liveness, true readiness, metrics, problem+json, and an id on every request.

A service adds its routes to the app it gets here and nothing else. Who callers are is the orchestrator's to find out,
at its own door; the others only know whether it is the orchestrator that calls (`InternalSettings`), and believe what
it says of tenants.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any

import structlog
import uvicorn
from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interleavethinker import __version__, http, tracing
from interleavethinker.errors import BadRequest, InterleaveError, Unauthenticated, Unavailable
from interleavethinker.settings import InternalSettings, load_section
from interleavethinker.telemetry import REQUEST_SECONDS, TASKS, configure_logging
from services.reference import add_reference
from services.strict import StrictRoute

log = structlog.get_logger(__name__)
PROBLEM: dict[str, Any] = {
    "schema": {
        "title": "Problem",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "retryable"],
        "properties": {
            "type": {"type": "string", "description": "urn:interleavethinker:problem:<code>"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "what is wrong here, and what to change"},
            "code": {"type": "string", "description": "stable and machine-readable"},
            "retryable": {"type": "boolean", "description": "whether the same call may succeed later"},
            "instance": {"type": "string"},
            "retry_after": {"type": "integer", "description": "seconds, as in the header Retry-After"},
            "errors": {"type": "array", "items": {"type": "object"}, "description": "each field that is wrong"},
        },
    },
    "example": {
        "type": "urn:interleavethinker:problem:invalid_request",
        "title": "Invalid request",
        "status": 422,
        "detail": "body.max_attempts: Input should be less than or equal to 20",
        "code": "invalid_request",
        "retryable": False,
    },
}
"""How a problem looks, for OpenAPI documents."""
_SAFE_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_TENANT = re.compile(r"[A-Za-z0-9~][A-Za-z0-9._-]{0,63}", re.ASCII)
OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
"""What probes and Prometheus ask without a key: neither says anything of what callers sent."""
_SHOWN_ERRORS = 20
_METHODS = frozenset(HTTPMethod)


def service_app(
    name: str,
    *,
    ready: Callable[[], Awaitable[list[str]]],
    title: str,
    description: str,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[Any]] | None = None,
    door: Sequence[Middleware] | None = None,
) -> FastAPI:
    """An app with the house's anatomy. `ready` names what keeps the service from working, empty when nothing does.

    `door` is for the one service that strangers call: what stands before its routes. Without one, the service is
    internal: callers bear the token of `InternalSettings`, where one is set, and may name a tenant.
    """
    internal = door is None
    app = FastAPI(
        title=title,
        description=description,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        middleware=_internal_door() if door is None else list(door),
        responses={"default": {"description": "What is wrong (RFC 9457)", "content": {http.PROBLEM_JSON: PROBLEM}}},
    )
    app.router.route_class = StrictRoute
    app.state.service = name
    add_reference(app)

    @app.get("/livez", tags=["operation"])
    async def livez() -> dict[str, str]:
        """The process answers. Says nothing about whether it can work."""
        return {"service": name, "version": __version__}

    @app.get("/readyz", tags=["operation"])
    async def readyz() -> dict[str, Any]:
        """200 when the service can do its work now, else 503 with what is missing in `problems`."""
        problems = await ready()
        if problems:
            raise Unavailable(f"{name} is not ready: {'; '.join(problems)}", problems=problems)
        return {"service": name, "ready": True}

    @app.get("/metrics", tags=["operation"], response_class=Response)
    async def metrics(accept: Annotated[str, Header()] = "") -> Response:
        """Prometheus' text format; OpenMetrics, with exemplars, where `Accept` asks for it, as Prometheus does."""
        TASKS.set(len(asyncio.all_tasks()))
        encode, content_type = choose_encoder(accept)
        return Response(encode(REGISTRY), media_type=content_type)

    app.add_exception_handler(InterleaveError, _on_own_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_middleware(_Door, service=name, internal=internal)
    return app


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until a signal: open requests get ten seconds to finish. Each service's `__main__` ends here."""
    configure_logging(app.state.service)
    tracing.configure(app.state.service)
    uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=10)


def problem_response(error: InterleaveError, *, status: int | None = None) -> Response:
    """The error as an answer. Written in ASCII: a detail may quote what no encoding can say (half a character)."""
    body = http.problem(error, status=status)
    headers = {"Cache-Control": "no-store"}
    if (wait := error.extra.get("retry_after")) is not None:
        headers["Retry-After"] = str(wait)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return Response(json.dumps(body), status_code=body["status"], media_type=http.PROBLEM_JSON, headers=headers)


async def _on_own_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, InterleaveError)
    return problem_response(error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The caller's own words may be among these (an unknown field's name), as many and as long as it likes.
    first = error.errors()[:_SHOWN_ERRORS]
    found = [{"at": ".".join(map(str, each["loc"]))[:200], "problem": each["msg"][:500]} for each in first]
    detail = "; ".join(f"{each['at']}: {each['problem']}" for each in found)
    return problem_response(BadRequest(detail, errors=found))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    wrapped = InterleaveError(f"{request.method} {request.url.path[:200]}: {error.detail or phrase}")
    wrapped.code = phrase.lower().replace(" ", "_").replace("-", "_")
    wrapped.retryable = error.status_code in (429, 502, 503, 504)
    answer = problem_response(wrapped, status=error.status_code)
    answer.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer


def _internal_door() -> list[Middleware]:
    token = load_section("internal", InternalSettings).token
    return [Middleware(_Internal, token=token.get_secret_value())] if token else []


class _Internal:
    """Lets in whoever bears the services' own token. Bodies of others are not even read."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self._wanted = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._wanted):
                error = Unauthenticated("this service takes calls of the orchestrator only: set internal.token alike")
                await problem_response(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _methods(request: Request) -> set[str]:
    """All methods of the path; Starlette itself says those of the first route that has it."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in getattr(route, "methods", None) or ()}


class _Door:
    """Names, times and logs each request; an unexpected error becomes a problem. Pure ASGI: streams pass untouched."""

    def __init__(self, app: ASGIApp, service: str, internal: bool) -> None:
        self.app, self.service, self.internal = app, service, internal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        if scope["path"] in OPEN_PATHS:  # probes are no part of anybody's work
            await self._answer(scope, receive, send, headers)
            return
        known = {"http.request.method": _method(scope), "url.path": scope["path"][:500], "url.scheme": scope["scheme"]}
        with tracing.joined(headers), tracing.span(_method(scope), known, kind=SpanKind.SERVER):
            await self._answer(scope, receive, send, headers)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        request_id = _safe(headers.get(http.REQUEST_ID.lower())) or uuid.uuid4().hex
        fence = headers.get(http.RUN_FENCE.lower(), "")
        http.run_fence.set(int(fence) if fence.isdecimal() and len(fence) < 10 else 0)
        tokens = (http.request_id.set(request_id), http.run_id.set(_safe(headers.get(http.RUN_ID.lower()))))
        named = headers.get(http.TENANT.lower()) if self.internal else None
        if named is not None and not _TENANT.fullmatch(named):
            await problem_response(BadRequest(f"{http.TENANT} is no tenant's name"))(scope, receive, send)
            return
        tenant = http.tenant.set(named)
        status, start = 0, time.perf_counter()

        async def named_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (http.REQUEST_ID.lower().encode(), request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, named_send)
        except Exception:
            log.exception("unexpected error", method=scope["method"], path=scope["path"])
            if status:
                raise
            answer = problem_response(InterleaveError("an unexpected error; the service's log has it by request id"))
            await answer(scope, receive, named_send)
        finally:
            self._record(scope, status, time.perf_counter() - start)
            http.request_id.reset(tokens[0])
            http.run_id.reset(tokens[1])
            http.tenant.reset(tenant)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "")
        method = _method(scope)
        REQUEST_SECONDS.labels(self.service, method, route, status).observe(seconds, tracing.exemplar())
        _say(f"{method} {route}".rstrip(), route, status)
        write = log.debug if route in ("/livez", "/readyz", "/metrics") else log.info
        write("request", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4))


def _method(scope: Scope) -> str:
    """A caller may invent methods without end, and each would be a series that is kept for ever."""
    return scope["method"] if scope["method"] in _METHODS else "other"


def _say(name: str, route: str, status: int) -> None:
    """What is only known at a request's end, on its span."""
    span = get_current_span()
    if not span.is_recording():
        return
    span.update_name(name)
    ids = {"interleavethinker.request_id": http.request_id.get(), "interleavethinker.run_id": http.run_id.get()}
    tracing.annotate({"http.route": route or None, "http.response.status_code": status or None, **ids})
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))


def _safe(given: str | None) -> str | None:
    return given if given and _SAFE_ID.fullmatch(given) else None
