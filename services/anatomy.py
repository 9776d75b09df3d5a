"""What every service is made of: liveness, true readiness, metrics, problem+json, and an id on every request.

A service adds its routes to the app it gets here and nothing else. No authentication and no rate limits: those stand at
the orchestrator's door.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interleavethinker import __version__, http
from interleavethinker.errors import BadRequest, InterleaveError, Unavailable
from interleavethinker.telemetry import REQUEST_SECONDS, configure_logging

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
_SAFE_ID = re.compile(r"[\w.:-]{1,128}")


def service_app(
    name: str,
    *,
    ready: Callable[[], Awaitable[list[str]]],
    title: str,
    description: str,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[Any]] | None = None,
) -> FastAPI:
    """An app with the house's anatomy. `ready` names what keeps the service from working, empty when nothing does."""
    app = FastAPI(
        title=title,
        description=description,
        version=__version__,
        lifespan=lifespan,
        responses={"default": {"description": "What is wrong (RFC 9457)", "content": {http.PROBLEM_JSON: PROBLEM}}},
    )
    app.state.service = name

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
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app.add_exception_handler(InterleaveError, _on_own_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_middleware(_Door, service=name)
    return app


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until a signal: open requests get ten seconds to finish. Each service's `__main__` ends here."""
    configure_logging(app.state.service)
    uvicorn.run(app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=10)


def problem_response(error: InterleaveError, *, status: int | None = None) -> JSONResponse:
    """The error as an answer."""
    body = http.problem(error, status=status)
    wait = error.extra.get("retry_after")
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return JSONResponse(body, status_code=body["status"], media_type=http.PROBLEM_JSON, headers=headers)


async def _on_own_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, InterleaveError)
    return problem_response(error)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [{"at": ".".join(map(str, each["loc"])), "problem": each["msg"]} for each in error.errors()]
    detail = "; ".join(f"{each['at']}: {each['problem']}" for each in found)
    return problem_response(BadRequest(detail, errors=found))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    wrapped = InterleaveError(f"{request.method} {request.url.path}: {error.detail or phrase}")
    wrapped.code = phrase.lower().replace(" ", "_").replace("-", "_")
    wrapped.retryable = error.status_code in (429, 502, 503, 504)
    answer = problem_response(wrapped, status=error.status_code)
    answer.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer


def _methods(request: Request) -> set[str]:
    """All methods of the path; Starlette itself says those of the first route that has it."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in getattr(route, "methods", None) or ()}


class _Door:
    """Names, times and logs each request; an unexpected error becomes a problem. Pure ASGI: streams pass untouched."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        request_id = _safe(headers.get(http.REQUEST_ID.lower())) or uuid.uuid4().hex
        fence = headers.get(http.RUN_FENCE.lower(), "")
        http.run_fence.set(int(fence) if fence.isdecimal() and len(fence) < 10 else 0)
        tokens = (http.request_id.set(request_id), http.run_id.set(_safe(headers.get(http.RUN_ID.lower()))))
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

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "")
        REQUEST_SECONDS.labels(self.service, scope["method"], route, status).observe(seconds)
        write = log.debug if route in ("/livez", "/readyz", "/metrics") else log.info
        write("request", method=scope["method"], path=scope["path"], status=status, seconds=round(seconds, 4))


def _safe(given: str | None) -> str | None:
    return given if given and _SAFE_ID.fullmatch(given) else None
