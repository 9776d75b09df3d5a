"""document.json: the document as programs read it, with its provenance and where its pictures are."""

from __future__ import annotations

import json
from collections.abc import Mapping

from interleavethinker.document import Document
from interleavethinker.exports.pictures import data_url
from interleavethinker.exports.provenance import Provenance
from interleavethinker.exports.shown import Shown


def facts(document: Document, files: Mapping[str, str]) -> bytes:
    """`document`, `provenance`, and `files`: each picture's place by digest, a path or a data: URL."""
    whole = {
        "document": document.model_dump(mode="json"),
        "provenance": Provenance.of(document).model_dump(mode="json"),
        "files": dict(files),
    }
    # Half a character (which JSON can say and UTF-8 cannot) stays an escape.
    text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def make(shown: Shown) -> bytes:
    """One file: the pictures, as they were drawn, are in it as data: URLs."""
    refs = shown.document.images.values()
    return facts(shown.document, {ref.digest: data_url(shown.images[ref.digest], ref.media_type) for ref in refs})
