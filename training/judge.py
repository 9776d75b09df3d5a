"""The port to whoever scores a drawing, and the small world's exact one.

Scores follow the paper's data (section 3, VIEScore style): semantics is the lesser of "the change was made" and
"nothing else was changed", quality the lesser of "looks natural" and "no artifacts", each 0 to 10. Training data, the
step filter and the step-wise reward are made of them; nothing that is served needs a judge.
"""

from __future__ import annotations

import asyncio
import io
from typing import Protocol

import numpy as np
from PIL import Image
from pydantic import Field

from interleavethinker.errors import BadRequest
from interleavethinker.ports import Blobs
from interleavethinker.types import Critique, Value
from smallworld.edits import Impossible, apply
from smallworld.measure import Reading, read
from smallworld.prompts import Unreadable, parse
from smallworld.scene import CELLS, Scene

FULL = 10.0
PER_BROKEN_CELL = 2.5
"""What a cell that should have stayed as it was, or one that is smudged, costs."""


class Scores(Value):
    """One drawing's scores, 0 to 10, and whether it is right. Exact judges find it right at twice 10."""

    semantics: float = Field(ge=0, le=10)
    quality: float = Field(ge=0, le=10)
    success: bool

    @property
    def overall(self) -> float:
        """The geometric mean of both, VIEScore's own combination, 0 to 10."""
        return float((self.semantics * self.quality) ** 0.5)


class Judge(Protocol):
    async def score(self, critique: Critique) -> Scores:
        """Score the picture after against the step's original prompt, given the picture before; the last prompt is not
        looked at. Raises BadRequest when the prompt or a picture cannot be judged, Unavailable when nobody answers."""
        ...


class ExactJudge:
    """Implements `Judge` by reading the pixels; knows the small world only."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def score(self, critique: Critique) -> Scores:
        before = None if critique.before is None else await self._picture(critique.before.digest)
        return exact_scores(critique.prompt, before, await self._picture(critique.after.digest))

    async def _picture(self, digest: str) -> np.ndarray:
        data = await self._blobs.get(digest)
        return await asyncio.to_thread(pixels, data)


def pixels(data: bytes) -> np.ndarray:
    """An encoded image as uint8 (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def exact_scores(prompt: str, before: np.ndarray | None, after: np.ndarray) -> Scores:
    """The scores of a drawing; pictures uint8 (128, 128, 3). Raises BadRequest for what is no step of the small
    world."""
    scene = None if before is None else read(before).scene
    return scores_of_reading(prompt, scene, read(after))


def scores_of_reading(prompt: str, before: Scene | None, seen: Reading) -> Scores:
    """The same for pictures that are read already."""
    try:
        wanted = apply(parse(prompt), before)
    except (Unreadable, Impossible) as error:
        raise BadRequest(f"the exact judge knows the small world only: {error}") from error
    parts: dict[str, tuple[object, object, object]] = {
        "setting": (before.setting if before else None, wanted.setting, seen.scene.setting)
    }
    parts |= {
        cell: (before.things.get(cell) if before else None, wanted.things.get(cell), seen.scene.things.get(cell))
        for cell in CELLS
    }
    asked = [have == want for was, want, have in parts.values() if want != was]
    broken = sum(have != want for was, want, have in parts.values() if want == was)
    done = FULL * sum(asked) / len(asked) if asked else FULL
    semantics = min(done, max(0.0, FULL - PER_BROKEN_CELL * broken))
    quality = max(0.0, FULL - PER_BROKEN_CELL * len(seen.smudged))
    return Scores(semantics=round(semantics, 2), quality=quality, success=seen.scene == wanted and not seen.smudged)
