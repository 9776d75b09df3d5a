"""A document taken away: saved, exported, shown in a notebook. No call is made here."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from interleavethinker import http
from interleavethinker.document import Document
from interleavethinker.errors import NotInstalled
from interleavethinker.events import Status
from interleavethinker.types import ImageRef

SMALL = 320
"""Longer side, in pixels, of a notebook's pictures; smaller ones are enlarged by the browser."""


def check(document: Document) -> None:
    """Raises the run's problem, of its class, when it did not succeed."""
    if document.status is Status.SUCCEEDED:
        return
    problem = document.problem
    told = problem.model_dump(exclude={"raw"}) if problem else {"detail": f"run {document.run_id} is {document.status}"}
    raise http.error_from_problem(told | {"run_id": document.run_id}, 500)


def folder(document: Document, images: Mapping[str, bytes], out: Path, language: str | None = None) -> Path:
    from interleavethinker import exports

    return exports.write_folder(document, images, out, language=language)


def save(document: Document, images: Mapping[str, bytes], path: Path, language: str | None = None) -> Path:
    """A file in the format of its ending, or a folder with everything where it has none; what was written."""
    from interleavethinker import exports

    return exports.save(document, images, path, language=language)


def can_save(path: Path) -> None:
    """Raises BadRequest for an ending that no format has, NotInstalled where the format's library is missing."""
    from interleavethinker import exports

    if not path.suffix or path.is_dir():
        return
    kind = exports.format_of(path)
    for name in kind.needs:
        if find_spec(name) is None:
            raise NotInstalled(f"{kind.label} needs the package {name}: pip install 'interleavethinker[exports]'")


def notebook(document: Document, pictures: Mapping[str, bytes]) -> str:
    """The document as a piece of HTML that needs nothing else: texts, and the pictures that stand, small. The place of
    one that is not among `pictures` says how it is fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from interleavethinker.exports import view
    from interleavethinker.exports.page import prose

    templates = Environment(
        loader=PackageLoader("interleavethinker.client"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip

    def src(image: ImageRef) -> str | None:
        return _small(pictures[image.digest]) if image.digest in pictures else None

    templates.filters.update(src=src, prose=prose)
    return templates.get_template("notebook.html.j2").render(
        document=document, title=view.title(document), trouble=view.trouble(document), steps=view.steps(document)
    )


def _small(data: bytes) -> str:
    """The picture as a data URL, its longer side at most `SMALL`: what is already small as it is, the rest as JPEG."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        kind = "png"
        if max(picture.size) > SMALL:
            kind, out = "jpeg", io.BytesIO()
            small = picture.convert("RGB")
            small.thumbnail((SMALL, SMALL))
            small.save(out, "JPEG", quality=85)
            data = out.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
