"""A document taken away: saved, exported, shown in a notebook. No call is made here but `fetch_now`'s."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import httpx2

from interleavethinker import http
from interleavethinker.client import answers
from interleavethinker.client.access import Access
from interleavethinker.document import Document
from interleavethinker.errors import BadRequest
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


def save(document: Document, images: Mapping[str, bytes], out: Path) -> Path:
    from interleavethinker.exports import write_folder

    return write_folder(document, images, out)


def export(document: Document, images: Mapping[str, bytes], path: Path) -> Path:
    """Raises BadRequest for an ending that no format has."""
    from interleavethinker.exports import page

    if path.suffix.lower() not in (".html", ".htm"):
        raise BadRequest(f"no format has the ending {path.suffix!r}: .html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(document, images), encoding="utf-8")
    return path


def fetch_now(document: Document, pictures: dict[str, bytes], access: Access) -> None:
    """Put the pictures that stand into `pictures`, where they are not yet. For notebooks, which cannot wait."""
    wanted = [each.image.digest for each in document.steps if each.image and each.image.digest not in pictures]
    with httpx2.Client(base_url=access.url, headers=access.headers, timeout=access.timeouts()) as line:
        for digest in wanted:
            answer = line.get(f"/interleave/{document.run_id}/images/{digest}")
            if not answer.is_success:
                raise answers.error(answer.status_code, answer.headers, answer.content)
            pictures[digest] = answer.content


def notebook(document: Document, pictures: Mapping[str, bytes]) -> str:
    """The document as a piece of HTML that needs nothing else: texts, and the pictures that stand, small."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from interleavethinker.exports import view
    from interleavethinker.exports.page import prose

    templates = Environment(
        loader=PackageLoader("interleavethinker.client"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip

    def src(image: ImageRef) -> str:
        return _small(pictures[image.digest])

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
