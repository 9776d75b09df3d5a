"""Errors in OpenAI's shape, on this door's routes: `{"error": {"message", "type", "param", "code"}}`.

Whoever found the error (the gate, a route, the body's reader) made problem+json of it; on the way out it is said in the
other words. `code` stays ours. Deliberately not here: any error of its own.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interleavethinker.http import PROBLEM_JSON

PREFIX = "/v1/"
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_UNPROCESSABLE, _BAD_REQUEST = 422, 400


class ErrorBody(BaseModel):
    message: str = Field(description="what is wrong here, and what to change")
    type: Literal[
        "invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"
    ]
    param: str | None = Field(description="the parameter that is wrong, where it is one")
    code: str | None = Field(description="stable and machine-readable")


class ErrorView(BaseModel):
    error: ErrorBody


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route's errors are declared."""
    declared: dict[int | str, dict[str, Any]] = {"default": {"description": "What is wrong.", "model": ErrorView}}
    return declared | dict.fromkeys(statuses, declared["default"])


class OpenAIErrors:
    """ASGI middleware. It stands before all others, so that none of their errors goes out otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        problem = b""

        async def translated(message: Message) -> None:
            nonlocal start, problem
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            elif message["type"] == "http.response.body":
                problem += message.get("body", b"")
                if not message.get("more_body"):
                    body = json.dumps({"error": error_of(json.loads(problem))}).encode()
                    await send(_headed(start, len(body)))
                    await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, translated)


def error_of(problem: dict[str, Any]) -> dict[str, Any]:
    """The `error` of a problem+json."""
    status = problem["status"]
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    return {"message": problem["detail"], "type": kind, "param": _param(problem), "code": problem["code"]}


def _param(problem: dict[str, Any]) -> str | None:
    if param := problem.get("param"):
        return str(param)
    wrong = problem.get("errors")
    at = str(wrong[0].get("at", "")) if isinstance(wrong, list) and wrong else ""
    return at.partition(".")[2] or None


def _is_problem(start: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.decode("latin-1").startswith(PROBLEM_JSON)
        for name, value in start["headers"]
    )


def _headed(start: Message, length: int) -> Message:
    status = _BAD_REQUEST if start["status"] == _UNPROCESSABLE else start["status"]
    told: Message = {**start, "status": status, "headers": list(start["headers"])}
    headers = MutableHeaders(scope=told)
    headers["content-type"], headers["content-length"] = "application/json", str(length)
    return told
