"""Whose client a tool or resource uses, and the service's errors in the protocol's words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ToolError

from interleavethinker.client import AsyncClient
from interleavethinker.errors import InterleaveError

NOBODY = "none"
"""Borne for callers without a key, so that they are not let in by this process's own."""


class Caller:
    """The client of whoever calls. `shared`: others call through this process, each with a key of its own."""

    def __init__(self, url: str | None, *, shared: bool) -> None:
        self._url, self._shared = url, shared

    @asynccontextmanager
    async def client(self, ctx: Context[Any, Any] | None) -> AsyncIterator[AsyncClient]:
        """Raises ToolError with the service's own words."""
        key = (_bearer(ctx) or NOBODY) if self._shared else None
        try:
            async with AsyncClient(self._url, api_key=key) as client:
                yield client
        except InterleaveError as error:
            raise ToolError(error.detail) from error


def _bearer(ctx: Context[Any, Any] | None) -> str:
    headers = (ctx.headers if ctx else None) or {}
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


@asynccontextmanager
async def reading(caller: Caller, ctx: Context[Any, Any]) -> AsyncIterator[AsyncClient]:
    """The same for a resource."""
    try:
        async with caller.client(ctx) as client:
            yield client
    except ToolError as error:
        raise ResourceError(str(error)) from error
