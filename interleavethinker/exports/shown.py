"""All that a format shows of a document, gathered once: texts as blocks, pictures made ready, and what made them.

Deliberately not here: layout and escaping, which are the formats' own, and the words for outcomes (`view`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from PIL import Image

from interleavethinker.document import Document
from interleavethinker.exports import view
from interleavethinker.exports.pictures import SMALL, enlarged
from interleavethinker.exports.prose import Block, prose
from interleavethinker.exports.provenance import Provenance
from interleavethinker.exports.scripts import (
    Direction,
    clean,
    direction_of,
    direction_of_language,
    language_of,
    language_tag,
)
from interleavethinker.types import IMAGE_MARKER, ImageRef

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


@dataclass(frozen=True)
class Picture:
    """A picture as people see it: small ones are enlarged crisply. `width` and `height` are `data`'s, in pixels."""

    name: str
    data: bytes
    media_type: str
    width: int
    height: int
    alt: str
    crisp: bool


@dataclass(frozen=True)
class ShownStep:
    """One step. `note` says what a reader must know of the picture: not accepted, not finished; else it is empty."""

    number: int
    name: str
    language: str
    direction: Direction
    instruction: tuple[Block, ...]
    text: tuple[Block, ...]
    picture: Picture | None
    note: str


@dataclass(frozen=True)
class Shown:
    """A document as every format shows it.

    `brief` is the whole request where the title holds only its beginning, else empty. `given` are its pictures. `about`
    are the facts of how it was made, as names and values.
    """

    document: Document
    images: Mapping[str, bytes]
    made: Provenance
    title: str
    brief: str
    trouble: str
    language: str
    direction: Direction
    date: datetime
    given: tuple[Picture, ...]
    steps: tuple[ShownStep, ...]
    about: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, document: Document, images: Mapping[str, bytes], *, language: str | None = None) -> Shown:
        made, title = Provenance.of(document), clean(view.title(document))
        brief = " ".join(clean(document.request.brief.prompt).replace(IMAGE_MARKER, " ").split())
        texts = "\n".join([brief, *(f"{entry.step.name}\n{entry.step.text}" for entry in document.steps)])
        spoken = language_tag(language) if language else language_of(texts)
        given = enumerate(document.request.brief.images, start=1)
        return cls(
            document=document,
            images=images,
            made=made,
            title=title,
            brief=brief if brief != title else "",
            trouble=clean(view.trouble(document)),
            language=spoken,
            direction=direction_of_language(spoken),
            date=document.finished_at or document.created_at,
            given=tuple(_picture(f"given-{n}", ref, images, f"Picture {n} of the request") for n, ref in given),
            steps=tuple(_step(step, images, spoken) for step in view.steps(document)),
            about=_about(made, title),
        )

    @property
    def pictures(self) -> list[Picture]:
        """Every picture that is shown, each name once."""
        return [*self.given, *(step.picture for step in self.steps if step.picture)]

    @property
    def subject(self) -> str:
        """What the file's own metadata says of it."""
        return f"{self.made.notice} Models: {', '.join(self.made.models) or 'none'}."


def _step(step: view.StepView, images: Mapping[str, bytes], language: str) -> ShownStep:
    name, alt = clean(step.name), " ".join(clean(step.alt).split())
    language = language_of(f"{name}\n{step.instruction}\n{step.auxiliary}", language)
    return ShownStep(
        number=step.number,
        name=name,
        language=language_of(name, language),
        direction=direction_of(name, direction_of_language(language)),
        instruction=prose(step.instruction, language),
        text=prose(step.auxiliary, language),
        picture=_picture(f"step-{step.key}", step.image, images, alt) if step.image else None,
        note=step.warning,
    )


def _picture(name: str, image: ImageRef, images: Mapping[str, bytes], alt: str) -> Picture:
    data, crisp = enlarged(images[image.digest]), max(image.width, image.height) < SMALL
    with Image.open(io.BytesIO(data)) as opened:
        width, height, kind = *opened.size, Image.MIME.get(opened.format or "", image.media_type)
    return Picture(name + _SUFFIXES.get(kind, ".png"), data, kind, width, height, alt, crisp)


def _about(made: Provenance, title: str) -> tuple[tuple[str, str], ...]:
    finished = made.finished_at or made.created_at
    facts = {
        "Request": title,
        "Plan by": made.planner,
        "Pictures by": ", ".join(made.generators),
        "Judged by": ", ".join(made.critics),
        "Date": f"{finished:%Y-%m-%d %H:%M} UTC",
        "Pictures drawn": str(made.drawings),
        "Run": f"{made.run_id}, {made.status}",
        "Seed": str(made.seed),
        "Content digest": made.document_digest,
        "Made with": made.software,
    }
    return tuple((name, clean(value)) for name, value in facts.items() if value)
