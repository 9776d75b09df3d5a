"""document.epub: EPUB 3, a page a step, in the reader's own fonts.

Written here rather than by a library (docs/decisions/0053-exports.md): equal documents are equal files, and each text
has its language and direction. Jinja escapes every text; no markup of a model's comes through.
"""

from __future__ import annotations

import io
import uuid
import zipfile
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from interleavethinker.exports.scripts import direction_of
from interleavethinker.exports.shown import Shown, ShownStep

_CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""
_THEN = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class _Page:
    name: str
    heading: str
    kind: str
    step: ShownStep | None = None


def make(shown: Shown) -> bytes:
    files = _files(shown)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        # The format wants this first and as it is, so that a file's first bytes tell what it is.
        archive.writestr(zipfile.ZipInfo("mimetype", _THEN), b"application/epub+zip", zipfile.ZIP_STORED)
        for name, data in files.items():
            kind = zipfile.ZIP_STORED if name.startswith("EPUB/images/") else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, _THEN), data, kind)
    return out.getvalue()


def _files(shown: Shown) -> dict[str, bytes]:
    templates = Environment(
        loader=PackageLoader(__package__, "templates/epub"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters["direction"] = direction_of
    pages = [
        _Page("title.xhtml", shown.title, "title"),
        *(_Page(f"step-{n}.xhtml", f"{it.number}. {it.name}", "step", it) for n, it in enumerate(shown.steps, start=1)),
        _Page("about.xhtml", "How this was made", "about"),
    ]
    page, package = templates.get_template("page.xhtml.j2"), templates.get_template("package.opf.j2")
    whole = [_Page("nav.xhtml", shown.title, "nav"), *pages]
    return {
        "META-INF/container.xml": _CONTAINER.encode(),
        "EPUB/package.opf": package.render(
            shown=shown,
            pages=pages,
            identity=uuid.uuid5(uuid.NAMESPACE_URL, f"{shown.document.run_id}/{shown.document.digest}"),
            cover=next((step.picture.name for step in reversed(shown.steps) if step.picture), ""),
        ).encode(),
        "EPUB/style.css": (templates.get_template("style.css").render()).encode(),
        **{
            f"EPUB/{it.name}": page.render(
                shown=shown, pages=pages, heading=it.heading, kind=it.kind, step=it.step
            ).lstrip().encode()
            for it in whole
        },
        **{f"EPUB/images/{picture.name}": picture.data for picture in shown.pictures},
    }  # fmt: skip
