"""The routes that give a document as a file: which formats there are, and one of them made.

Making one is work for a processor, and up to seconds of it: it is done in threads of its own, so many at once and no
more, and further callers wait, up to a number. Deliberately not here: the formats (`interleavethinker.exports`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field

from interleavethinker import __version__, http
from interleavethinker.document import Document
from interleavethinker.errors import BadRequest, Conflict, Unavailable
from interleavethinker.exports import FORMATS, Format, export, file_name, pictures_of
from interleavethinker.exports.view import title
from services.anatomy import PROBLEM
from services.orchestrator.answers import InHouse, RunId, problems
from services.strict import StrictRoute

router = APIRouter(tags=["documents"], route_class=StrictRoute)
WAITING = 16
"""How many callers may wait for a file to be begun; a further one is told to come again."""
_AGAIN = 5


class FormatView(BaseModel):
    """A format that documents can be had in."""

    name: str = Field(description="what to write for `format`")
    label: str = Field(description="its name for people")
    suffix: str
    media_type: str

    @classmethod
    def of(cls, format: Format) -> FormatView:
        return cls(name=format.name, label=format.label, suffix=format.suffix, media_type=format.media_type)


class FormatList(BaseModel):
    """The formats, in the order in which people are to be offered them."""

    formats: list[FormatView]


class Exporter:
    """Threads for making files. Open from when it is made until `close`."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="export")
        self._most = at_once + WAITING
        self.asked = 0
        """How many files are being made or wait for it."""

    async def make(
        self, document: Document, images: Mapping[str, bytes], format: Format, language: str | None
    ) -> bytes:
        """As `exports.export`. Raises Unavailable when too many wait."""
        if self.asked >= self._most:
            raise Unavailable("too many exports are being made; ask again soon", retry_after=_AGAIN)
        self.asked += 1
        loop = asyncio.get_running_loop()
        work = self._threads.submit(export, document, images, format, language=language)
        # Counted until it is done, not until its caller leaves: a thread cannot be stopped.
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(work)

    def _done(self) -> None:
        self.asked -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _exporter(request: Request) -> Exporter:
    exporter: Exporter = request.app.state.exporter
    return exporter


FILE: dict[str, Any] = {
    "description": "The file.",
    "content": {each.media_type: {} for each in FORMATS.values()}
    | {"application/json": {"schema": {"type": "object", "required": ["document", "provenance", "files"]}}},
    "headers": {
        name: {"schema": {"type": "string"}, "description": said}
        for name, said in {
            "Content-Disposition": "`attachment` and a name for the file",
            "ETag": "changes with the document, the format and the version of this software",
        }.items()
    },
}
_MORE = {
    501: "A library that the format needs is not installed here; the detail says which.",
    503: "Too many exports are being made; `Retry-After` says when to ask again.",
}
ERRORS = problems(404, 409, 422) | {
    status: {"description": said, "content": {http.PROBLEM_JSON: PROBLEM}} for status, said in _MORE.items()
}


@router.get("/formats")
async def list_formats() -> FormatList:
    """The formats that a document can be exported in."""
    return FormatList(formats=[FormatView.of(each) for each in FORMATS.values()])


@router.get(
    "/interleave/{run_id}/export",
    response_class=Response,
    responses={200: FILE, 304: {"description": "Unchanged."}, **ERRORS},
)
async def export_document(
    run_id: RunId,
    house: InHouse,
    exporter: Annotated[Exporter, Depends(_exporter)],
    format: Annotated[str, Query(description="as GET /formats names it", json_schema_extra={"enum": [*FORMATS]})],
    language: Annotated[
        str | None,
        Query(
            description="what the texts are written in (BCP 47); else it is judged by their script",
            pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$",
            examples=["de", "pt-BR"],
        ),
    ] = None,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The document, as far as it has come, as one file: PDF, Word, PowerPoint, EPUB, web page, Markdown, JSON, ZIP."""
    if format not in FORMATS:
        raise BadRequest(f"query.format: there is no format {format[:80]!r}; write one of {', '.join(FORMATS)}")
    kind = FORMATS[format]
    document = await house.journal.document(run_id)
    if not document.steps and kind.name != "json":
        raise Conflict(f"run {run_id} has nothing to show yet: no step of it has been planned")
    headers = {
        "ETag": f'"{_tag(document, kind, language)}"',
        "Cache-Control": "private, no-cache",
        "Content-Disposition": _disposition(document, kind),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    if headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    images = {digest: await house.blobs.get(digest) for digest in pictures_of(document, kind)}
    data = await exporter.make(document, images, kind, language)
    return Response(data, media_type=kind.media_type, headers=headers)


def _tag(document: Document, format: Format, language: str | None) -> str:
    """The whole document's digest goes in: its own `digest` leaves out what an export shows, such as how it ended."""
    parts = (document.content_digest, format.name, language or "", __version__)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _disposition(document: Document, format: Format) -> str:
    """A name in ASCII for all, and the title for those who read it (RFC 6266)."""
    plain = file_name(document, format)
    wide = "".join(each if each.isalnum() or each in " -_" else " " for each in title(document))[:80]
    wide = " ".join(wide.encode("utf-8", "ignore").decode().split())
    also = "" if wide.isascii() else f"; filename*=UTF-8''{quote(wide + format.suffix)}"
    return f'attachment; filename="{plain}"{also}'
