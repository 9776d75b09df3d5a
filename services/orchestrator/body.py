"""A ceiling on request bodies, so that nobody can fill the memory before validation has even begun."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: a body of more than `most` bytes is a 413, counted as it arrives (its declared length may
    lie)."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most:
                raise HTTPException(413, f"the body has more than {self.most} bytes; send fewer or smaller images")
            return message

        await self.app(scope, counted if scope["type"] == "http" else receive, send)
