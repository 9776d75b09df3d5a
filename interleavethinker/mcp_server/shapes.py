"""What the tools give back, in few words: a model reads every one of them, and pays for it.

Pictures are named by resource URIs, and shown as thumbnails of a few kilobytes. Deliberately not here: the tools.
"""

from __future__ import annotations

import io

from PIL import Image
from pydantic import BaseModel, Field

from interleavethinker.document import Document
from interleavethinker.exports import view

SCHEME = "interleave://documents"
THUMBNAIL = 192
"""Pixels of a thumbnail's longer side."""
_QUALITY = 60


class About(BaseModel):
    """A document, before anything of it is read."""

    id: str
    status: str = Field(description="queued, processing, waiting; then succeeded, partial, failed or canceled")
    request: str


class Listed(BaseModel):
    documents: list[About]


class Standing(BaseModel):
    """How a document comes along."""

    id: str
    status: str
    done: bool = Field(description="nothing more will happen unless it is asked for")
    steps_planned: int
    steps_finished: int
    pictures_drawn: int = Field(description="refused ones included")
    now: str = Field(description="what is being worked on")
    problem: str = Field(description="why it is not whole; empty when it is")
    text: str = Field(description="the text so far, as Markdown, without pictures")


def standing(document: Document) -> Standing:
    finished = [entry for entry in document.steps if entry.finished and not entry.reopened]
    return Standing(
        id=document.run_id,
        status=document.status,
        done=document.status.final,
        steps_planned=len(document.steps),
        steps_finished=len(finished),
        pictures_drawn=sum(len(entry.attempts) for entry in document.steps),
        now=_now(document),
        problem=view.trouble(document) if document.status.final else "",
        text="\n".join(f"{entry.step.index}. {entry.step.name}: {entry.step.text}" for entry in document.steps),
    )


def _now(document: Document) -> str:
    if document.status.final:
        return ""
    if document.status in ("queued", "waiting"):
        return {"queued": "it waits for its turn", "waiting": "its plan waits for approval"}[document.status]
    current = next((entry for entry in document.steps if not entry.finished or entry.reopened), None)
    if current is None:
        return "the plan is being written"
    judging = current.attempts and current.attempts[-1].verdict is None
    doing = "judged" if judging else f"drawn (attempt {len(current.attempts) + 1})"
    return f"step {current.step.index}, {current.step.name}, is being {doing}"


def text_of(document: Document) -> str:
    """The document as Markdown whose pictures are resources of this server."""
    blocks = [f"# {view.title(document)}", view.trouble(document)]
    for step in view.steps(document):
        picture = step.image and f"![{step.name}]({picture_uri(document.run_id, step.image.digest)})"
        blocks += [f"## {step.number}. {step.name}", step.text, picture or "", f"({step.note})" if step.note else ""]
    return "\n\n".join(block for block in blocks if block) + "\n"


def picture_uri(run_id: str, digest: str) -> str:
    return f"{SCHEME}/{run_id}/pictures/{digest}"


def thumbnail(data: bytes) -> bytes:
    """A small JPEG of an encoded picture."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        small = picture.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
