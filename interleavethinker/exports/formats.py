"""The door of the exports: which formats there are, and a document as the bytes of one of them.

Each format is a module of its own, loaded when it is asked for, since some need libraries of the extra `exports`.
Deliberately not here: what a document looks like (`shown` gathers it, the formats' modules lay it out), and fetching
pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from interleavethinker.document import Document
from interleavethinker.errors import BadRequest, Conflict, NotInstalled
from interleavethinker.exports.folder import write_folder
from interleavethinker.exports.shown import Shown
from interleavethinker.exports.view import title
from interleavethinker.types import ImageRef

EXTRA = "interleavethinker[exports]"
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Format:
    """A kind of file. `module` in this package has `make(shown) -> bytes`; `needs` are the libraries that it loads.

    `all_pictures`: it holds those of discarded attempts too.
    """

    name: str
    label: str
    suffix: str
    media_type: str
    module: str
    needs: tuple[str, ...] = ()
    all_pictures: bool = False


_OFFICE = "application/vnd.openxmlformats-officedocument"
FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("pdf", "PDF", ".pdf", "application/pdf", "pdf", ("typst",)),
        Format("docx", "Word", ".docx", f"{_OFFICE}.wordprocessingml.document", "word", ("docx",)),
        Format("pptx", "PowerPoint", ".pptx", f"{_OFFICE}.presentationml.presentation", "slides", ("pptx",)),
        Format("epub", "EPUB", ".epub", "application/epub+zip", "epub"),
        Format("html", "Web page", ".html", "text/html", "page", all_pictures=True),
        Format("markdown", "Markdown", ".md", "text/markdown", "markdown"),
        Format("json", "JSON with provenance", ".json", "application/json", "facts", all_pictures=True),
        Format("zip", "Folder with everything (ZIP)", ".zip", "application/zip", "folder", all_pictures=True),
    )
}
"""Every format by its name, in the order in which people are offered them."""

_ALSO = {"htm": "html", "xhtml": "html", "word": "docx", "powerpoint": "pptx"}


def format_of(name: str | Path) -> Format:
    """The format with this name, suffix (`.pdf`, or a path's) or media type. Raises BadRequest that names all."""
    text = name.suffix if isinstance(name, Path) else name.partition(";")[0]
    text = text.strip().lower().removeprefix(".")
    for each in FORMATS.values():
        if text in (each.name, each.suffix[1:], each.media_type) or _ALSO.get(text) == each.name:
            return each
    raise BadRequest(f"there is no format {text[:80]!r}; write one of {', '.join(FORMATS)}")


def pictures_of(document: Document, format: Format) -> dict[str, ImageRef]:
    """The pictures that the format shows of the document, by digest: what `export` has to be given, at least."""
    if format.all_pictures:
        return document.images
    kept = (entry.image for entry in document.steps)
    return {image.digest: image for image in (*document.request.brief.images, *kept) if image}


def export(
    document: Document, images: Mapping[str, bytes], format: str | Format, *, language: str | None = None
) -> bytes:
    """The document as the bytes of one file. `images`: encoded pictures by digest, those of `pictures_of`.

    `language` (BCP 47, such as "de" or "pt-BR") is what the texts are written in; None: judged by their script. Equal
    documents give equal bytes. Raises BadRequest for an unknown format, Conflict for a document without any step,
    NotInstalled where a library is missing.
    """
    kind = format if isinstance(format, Format) else format_of(format)
    if not document.steps and kind.name != "json":
        raise Conflict(f"run {document.run_id} has nothing to show yet: no step of it has been planned")
    try:
        module = import_module(f"{__package__}.{kind.module}")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in kind.needs:
            raise
        raise NotInstalled(f"{kind.label} needs the package {missing.name}: pip install '{EXTRA}'") from None
    made: bytes = module.make(Shown.of(document, images, language=language))
    return made


def save(document: Document, images: Mapping[str, bytes], path: str | Path, *, language: str | None = None) -> Path:
    """Write the document to `path`, in the format that its suffix says; a path without one is a folder of everything.

    What was written: the file, or the folder's document.html. Folders on the way are made; a file there is replaced.
    """
    path = Path(path)
    if not path.suffix or path.is_dir():
        return write_folder(document, images, path, language=language)
    data = export(document, images, format_of(path), language=language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def file_name(document: Document, format: Format) -> str:
    """A name for the file that every system takes: the title's words where they are ASCII, else the run's id."""
    text = "".join(each if each.isascii() and each.isalnum() else " " for each in title(document))
    stem = "-".join(text.lower().split())
    if len(stem) > _LONGEST_NAME:
        stem = stem[:_LONGEST_NAME].rpartition("-")[0] or stem[:_LONGEST_NAME]
    return f"{stem if len(stem) > 2 else document.run_id}{format.suffix}"
