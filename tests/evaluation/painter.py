"""A generator for tests: paints exactly what plain words ask for, and nothing new for words in any other style."""

from __future__ import annotations

from interleavethinker.types import Drawing, ImageJob
from smallworld.edits import apply
from smallworld.measure import read
from smallworld.paint import paint
from smallworld.prompts import PLAIN, parse, style_of
from smallworld.scene import Scene
from training.batched import MemoryBlobs, loaded, stored


class PlainPainter:
    """Implements `ports.Generator`; `drawn` lists the jobs in order."""

    def __init__(self, blobs: MemoryBlobs) -> None:
        self._blobs = blobs
        self.drawn: list[ImageJob] = []

    async def draw(self, job: ImageJob) -> Drawing:
        self.drawn.append(job)
        before = read(await loaded(self._blobs, job.references[0])).scene if job.references else None
        understood = style_of(job.prompt) == PLAIN
        scene = apply(parse(job.prompt), before) if understood else before or Scene("meadow")
        return Drawing(job_id=job.id, image=await stored(self._blobs, paint(scene)))

    async def foresee(self, job: ImageJob) -> None:
        return None

    async def forget(self, job: ImageJob) -> None:
        return None
