"""How far each step's picture has drifted from an anchor: the anchor that was asked for, else the first picture.

Two distances, both 0 (alike) to 1, of pictures scaled to `SIDE` x `SIDE` in RGB, so that sizes do not matter:
`colour` is half the L1 distance of their colour histograms (4 x 4 x 4 bins; Swain and Ballard, 1991: one minus their
intersection): what is where plays no part, so it tells of style, light and palette. `layout` is the mean absolute
difference of the pixels: it grows with everything that changes, wanted or not. In a world of cells that are black or
white, `layout` is the share of cells that changed. Neither knows what a picture shows; a high `colour` from step to
step is what people call drift. Deliberately not here: judging (the critic's), and which picture the anchor is (the
request's).
"""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageStat
from pydantic import BaseModel, Field

from interleavethinker.document import Document
from interleavethinker.errors import NotFound
from interleavethinker.ports import Blobs
from interleavethinker.types import Digest

SIDE = 64
BINS = 4
"""Of each colour."""


class Drift(BaseModel):
    """Of a step's kept picture from the anchor."""

    step: int
    anchor: int = Field(description="the step whose picture is the anchor")
    image: Digest
    colour: float = Field(ge=0, le=1, description="distance of the colour histograms: style, light, palette")
    layout: float = Field(ge=0, le=1, description="mean difference of the pixels: everything that changed")


async def drifts(document: Document, blobs: Blobs) -> list[Drift]:
    """Of the steps that are shown and have a picture, in their order, without the anchor's own; empty where the
    anchor's picture is not there (yet, or any more)."""
    pictures = [(entry.step.index, entry.image) for entry in document.steps if entry.image]
    wanted = document.request.anchor
    anchor = next((each for each in pictures if wanted in (None, each[0])), None)
    if anchor is None:
        return []
    found = []
    try:
        first = await blobs.get(anchor[1].digest)
        for step, image in pictures:
            if step != anchor[0]:
                colour, layout = await asyncio.to_thread(distances, first, await blobs.get(image.digest))
                found.append(Drift(step=step, anchor=anchor[0], image=image.digest, colour=colour, layout=layout))
    except NotFound:  # collected: nothing can be said any more
        return []
    return found


def distances(one: bytes, other: bytes) -> tuple[float, float]:
    """(colour, layout) of two encoded pictures."""
    first, second = _small(one), _small(other)
    bins = [Counter(_binned(each)) for each in (first, second)]
    apart = sum(abs(bins[0][place] - bins[1][place]) for place in bins[0] | bins[1])
    means = ImageStat.Stat(ImageChops.difference(first, second)).mean
    return round(apart / (2 * SIDE * SIDE), 4), round(sum(means) / (3 * 255), 4)


def _small(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)


def _binned(picture: Image.Image) -> Sequence[tuple[int, ...]]:
    pixels, width = picture.tobytes(), 256 // BINS
    return [tuple(value // width for value in pixels[at : at + 3]) for at in range(0, len(pixels), 3)]
