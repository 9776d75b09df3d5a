"""The page at `/docs` that shows a service's OpenAPI document, from this package's own files: no other server is asked.

Swagger UI as the package `fastapi-offline` carries it, started by a script of ours, so that the policy needs nothing
inline. Deliberately not here: the document itself, which is FastAPI's at `/openapi.json`, and who may read it.
"""

from __future__ import annotations

import hashlib
import html
from importlib.resources import files
from typing import Annotated

from fastapi import FastAPI, Header, Response

from interleavethinker.errors import NotFound

PATH = "/docs"
_START = """// Shows the document that lies beside this page, and asks nobody whether it is valid.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null });
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<noscript>This page needs JavaScript. Without it, read <a href="openapi.json">openapi.json</a>.</noscript>
<div id="reference"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_SCRIPT = "text/javascript; charset=utf-8"
_TYPES = {"swagger-ui.css": "text/css; charset=utf-8", "swagger-ui-bundle.js": _SCRIPT, "start.js": _SCRIPT}
PATHS = frozenset({PATH, "/openapi.json", *(f"{PATH}/{name}" for name in _TYPES)})
"""All that is read for the page; it holds nothing of anyone's."""


def add_reference(app: FastAPI) -> None:
    """Adds the page to an app that was made without FastAPI's own (`docs_url=None, redoc_url=None`)."""

    @app.api_route(PATH, methods=["GET", "HEAD"], include_in_schema=False)
    async def reference() -> Response:
        return Response(_PAGE.format(title=html.escape(app.title)), media_type="text/html", headers=HEADERS)

    @app.api_route(PATH + "/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def reference_file(name: str, if_none_match: Annotated[str, Header()] = "") -> Response:
        if name not in _TYPES:
            raise NotFound(f"the page of the API has no file {name[:200]!r}")
        body = _read(name)
        headers = HEADERS | {"ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}
        if headers["ETag"] in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=_TYPES[name], headers=headers)


def _read(name: str) -> bytes:
    """Read when asked for: a megabyte and a half that few services ever serve."""
    return _START.encode() if name == "start.js" else (files("fastapi_offline") / "static" / name).read_bytes()
