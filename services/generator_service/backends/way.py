"""One way of drawing: a loaded pipeline, its call shape and the arguments that every call of it gets.

A model has one way for text-to-image and one for edits, often the same. Not here: loading, and what a job may ask.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from PIL import Image, ImageOps

from interleavethinker.types import ImageJob
from services.generator_service.backends.base import OnStep, tally
from services.generator_service.backends.shapes import Shape, shape_of


class Way:
    """`parameters` are the pipeline's; `call` is filled in by whoever knows the settings."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.name = type(pipeline).__name__
        self.parameters = frozenset(inspect.signature(pipeline.__call__).parameters)
        self.shape: Shape = shape_of(type(pipeline), self.parameters)
        self.call: dict[str, Any] = {}

    def arguments(self, job: ImageJob, references: Sequence[Image.Image]) -> dict[str, Any]:
        """What the job makes of the call, the prompt and the noise aside. Unknown names are left in, for the caller to
        refuse."""
        asked = job.params.model_dump(exclude_none=True)
        if "guidance_scale" in asked:
            asked[self.shape.guidance] = asked.pop("guidance_scale")
        call = self.call | asked
        given = self._looked_at(references) if self.shape.references else []
        size: tuple[int, int] | None = None
        if self.shape.canvas and given:
            size = self._size(*(job.size.width, job.size.height) if job.size else given[0].size)
            given = [each if each.size == size else each.resize(size, Image.Resampling.LANCZOS) for each in given]
        elif job.size:
            size = self._size(job.size.width, job.size.height)
        if size and {"width", "height"} <= self.parameters:
            call |= {"width": size[0], "height": size[1]}
        if size and self.shape.area:
            call[self.shape.area] = size[0] * size[1]
        if given and self.shape.references:
            call[self.shape.references] = given if self.shape.as_list or len(given) > 1 else given[0]
        return call

    def prompt(self, text: str, references: Sequence[Image.Image]) -> str:
        marks = [self.shape.marks.format(n=n + 1) for n in range(len(references[: self.shape.most]))]
        return " ".join([*(mark for mark in marks if mark), text])

    def finished(self, picture: Image.Image, job: ImageJob) -> Image.Image:
        """In the job's size, where the model drew the nearest one that it can."""
        if job.size is None or picture.size == (job.size.width, job.size.height):
            return picture
        return ImageOps.fit(picture, (job.size.width, job.size.height), Image.Resampling.LANCZOS)

    def _size(self, *sides: int) -> tuple[int, int]:
        """The nearest that the class can draw."""
        step = self.shape.multiple
        width, height = (max(step, round(side / step) * step) for side in sides)
        return width, height

    def _looked_at(self, references: Sequence[Image.Image]) -> list[Image.Image]:
        """The first ones: a job's first reference is the canvas that it edits. What is left out is told with the
        drawing."""
        given = list(references[: self.shape.most])
        if len(given) < len(references) and (note := tally.get()):
            note.reported = f"{self.name} looked at {len(given)} of {len(references)} references, the first"
        return given


def known_to_one(call: Mapping[str, Any], ways: Sequence[Way]) -> list[str]:
    """Names in `call` that no way takes."""
    return sorted(name for name in call if not any(name in way.parameters for way in ways))


@contextmanager
def counting(pipeline: Any, on_step: OnStep, expected: int) -> Iterator[None]:
    """For pipelines without a callback: tell of each step when its scheduler has taken it. What `on_step` raises ends
    the drawing."""
    scheduler, step, done = pipeline.scheduler, pipeline.scheduler.step, 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal done
        after = step(*arguments, **named)
        done += 1
        on_step(done, max(done, getattr(pipeline, "num_timesteps", None) or expected), None)
        return after

    scheduler.step = counted
    try:
        yield
    finally:
        del scheduler.step  # the class's own again
