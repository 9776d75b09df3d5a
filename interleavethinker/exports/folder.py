"""A document as a folder, or the same as a ZIP: page, Markdown, JSON, and every picture, the discarded ones too."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from interleavethinker.document import Document
from interleavethinker.exports.facts import facts
from interleavethinker.exports.markdown import markdown
from interleavethinker.exports.page import page
from interleavethinker.exports.pictures import enlarged
from interleavethinker.exports.shown import Shown


def write_folder(document: Document, images: Mapping[str, bytes], out: Path, *, language: str | None = None) -> Path:
    """Write document.html, document.md, document.json and images/ into `out`; the path of document.html.

    Pictures of an earlier document in the same folder are removed; other files there are left alone.
    """
    pictures = out / "images"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in (*pictures.glob("step-*.png"), *pictures.glob("given-*.png")):
        old.unlink()
    for name, data in _files(Shown.of(document, images, language=language)).items():
        (out / name).write_bytes(data)
    return out / "document.html"


def make(shown: Shown) -> bytes:
    """The folder as a ZIP; equal documents give equal bytes."""
    out = io.BytesIO()
    moment = shown.date.timetuple()[:6]
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in _files(shown).items():
            entry = zipfile.ZipInfo(f"{shown.document.run_id}/{name}", moment)
            kind = zipfile.ZIP_STORED if name.startswith("images/") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data, kind)
    return out.getvalue()


def _files(shown: Shown) -> dict[str, bytes]:
    document = shown.document
    names = _names(document)
    places = {digest: f"images/{name}" for name, digest in reversed(names.items())}
    return {
        "document.html": page(document, shown.images, shown=shown).encode(),
        "document.md": markdown(document, places, shown=shown).encode(),
        "document.json": facts(document, places),
        **{f"images/{name}": enlarged(shown.images[digest]) for name, digest in names.items()},
    }


def _names(document: Document) -> dict[str, str]:
    """File names and the digests of what is in them: the kept pictures first, then given and discarded ones."""
    kept = {f"step-{entry.number}.png": entry.image.digest for entry in document.steps if entry.image}
    given = {f"given-{number}.png": image.digest for number, image in enumerate(document.request.brief.images, start=1)}
    pinned = {f"given-reference-{n}.png": image.digest for n, image in enumerate(document.request.references, start=1)}
    tried = {
        f"step-{entry.number}-attempt-{attempt.number}.png": attempt.image.digest
        for entry in document.steps
        for attempt in entry.attempts
        if attempt.number != entry.kept
    }
    return kept | given | pinned | tried
