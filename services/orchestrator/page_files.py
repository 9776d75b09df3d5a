"""The page for people, at `/`: static files from `page/`, with the headers that a page of strangers' texts needs.

No key is asked for them: they hold nothing of anyone's, and what they ask of the API they ask with the reader's key.
Deliberately not here: the page itself (`page/`, docs/page.md), and the API that it speaks to.
"""

from __future__ import annotations

import hashlib
import pathlib
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header, Path, Response

from interleavethinker.errors import NotFound

HOME = pathlib.Path(__file__).parent / "page"
PREFIX = "/page/"
SHARED = "/shared/"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
))  # fmt: skip
"""Nothing from elsewhere, nothing inline: a text that got into the page as markup could neither run nor call home."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # addresses of runs and shared documents are nobody else's business
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, and asked for again with its ETag: an update is seen at once
}


class PageFile(NamedTuple):
    """A file's bytes, what they are, and their name in caches."""

    body: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, path: pathlib.Path) -> PageFile:
        body = path.read_bytes()
        return cls(body, TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


FILES = {
    path.relative_to(HOME).as_posix(): PageFile.read(path) for path in sorted(HOME.rglob("*")) if path.suffix in TYPES
}
"""By their path in `page/`. Read once: what is not among these is not served, however its path is written."""
router = APIRouter(include_in_schema=False)


def is_page(path: str) -> bool:
    """Whether this is the page's own, and open to everybody."""
    return path == "/" or path.startswith((PREFIX, SHARED))


@router.api_route("/", methods=["GET", "HEAD"])
async def read_page(if_none_match: Annotated[str, Header()] = "") -> Response:
    """The page."""
    return _answer("index.html", if_none_match)


@router.api_route(SHARED + "{token}", methods=["GET", "HEAD"])
async def read_shared(token: Annotated[str, Path(pattern=r"^[\w-]{1,100}$")]) -> Response:
    """The page at a shared document: what a share link opens. The page itself asks whether the token opens anything."""
    return Response(status_code=303, headers=HEADERS | {"Location": f"../#/shared/{token}"})


@router.api_route(PREFIX + "{path:path}", methods=["GET", "HEAD"])
async def read_page_file(path: str, if_none_match: Annotated[str, Header()] = "") -> Response:
    """One of its scripts, styles or icons."""
    return _answer(path, if_none_match)


def _answer(path: str, known: str) -> Response:
    file = FILES.get(path)
    if file is None:
        raise NotFound(f"the page has no file {path[:200]!r}")
    headers = HEADERS | {"ETag": file.etag}
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)
