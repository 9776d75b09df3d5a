"""A finished (or unfinished) document as a folder that anyone can open: page, Markdown, JSON, pictures.

Deliberately not here: fetching the pictures; they are given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from interleavethinker.document import Document
from interleavethinker.exports.markdown import markdown
from interleavethinker.exports.page import page
from interleavethinker.exports.pictures import enlarged
from interleavethinker.exports.provenance import Provenance

__all__ = ["fetch_images", "markdown", "page", "write_folder"]


def fetch_images(document: Document, fetch: Callable[[str], bytes]) -> dict[str, bytes]:
    """Every picture of the document by digest, each asked for once."""
    return {digest: fetch(digest) for digest in document.images}


def write_folder(document: Document, images: Mapping[str, bytes], out: Path) -> Path:
    """Write document.html, document.md, document.json and images/ into `out`; the path of document.html.

    Pictures of an earlier document in the same folder are removed; other files there are left alone.
    """
    pictures = out / "images"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in (*pictures.glob("step-*.png"), *pictures.glob("given-*.png")):
        old.unlink()
    names = _names(document)
    for name, digest in names.items():
        (pictures / name).write_bytes(enlarged(images[digest]))
    files = {digest: f"images/{name}" for name, digest in reversed(names.items())}
    facts = {
        "document": document.model_dump(mode="json"),
        "provenance": Provenance.of(document).model_dump(mode="json"),
        "files": files,
    }
    (out / "document.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "document.md").write_text(markdown(document, files), encoding="utf-8")
    path = out / "document.html"
    path.write_text(page(document, images), encoding="utf-8")
    return path


def _names(document: Document) -> dict[str, str]:
    """File names and the digests of what is in them: the kept pictures first, then given and discarded ones."""
    kept = {f"step-{entry.number}.png": entry.image.digest for entry in document.steps if entry.image}
    given = {f"given-{number}.png": image.digest for number, image in enumerate(document.request.brief.images, start=1)}
    tried = {
        f"step-{entry.number}-attempt-{attempt.number}.png": attempt.image.digest
        for entry in document.steps
        for attempt in entry.attempts
        if attempt.number != entry.kept
    }
    return kept | given | tried
