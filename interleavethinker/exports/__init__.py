"""A finished (or unfinished) document as files that anyone can open: one of `FORMATS`, or a folder with all of it.

Deliberately not here: fetching the pictures; they are given.
"""

from __future__ import annotations

from collections.abc import Callable

from interleavethinker.document import Document
from interleavethinker.exports.folder import write_folder
from interleavethinker.exports.formats import FORMATS, Format, export, file_name, format_of, pictures_of, save
from interleavethinker.exports.markdown import markdown
from interleavethinker.exports.page import page

__all__ = [
    "FORMATS",
    "Format",
    "export",
    "fetch_images",
    "file_name",
    "format_of",
    "markdown",
    "page",
    "pictures_of",
    "save",
    "write_folder",
]


def fetch_images(document: Document, fetch: Callable[[str], bytes]) -> dict[str, bytes]:
    """Every picture of the document by digest, each asked for once."""
    return {digest: fetch(digest) for digest in document.images}
