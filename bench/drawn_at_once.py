"""A generator backend for `handover`: noise of the job's seed, drawn in no time, then held back for a moment, as a
model takes one, and when it was there. Loads no
model."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from interleavethinker.types import Drawing, ImageJob, Size
from services.generator_service.backends.base import Loaded, OnStep
from services.generator_service.lease import Lease
from services.generator_service.settings import GeneratorSettings

STAMPS = "HANDOVER_STAMPS"
"""Names the file to which lines "what key nanoseconds" go."""


DRAW_SECONDS = 0.2


def stamp(what: str, key: str) -> None:
    """Note that it happened now; one short write, which many processes may do at once."""
    with open(os.environ[STAMPS], "a") as file:
        file.write(f"{what} {key} {time.time_ns()}\n")


def open_backend(settings: GeneratorSettings) -> DrawnAtOnce:
    """The worker asks for its backend before it takes a job: from here on its leases' ends are noted."""
    done = Lease.done

    def noted(self: Lease, drawing: Drawing) -> None:
        done(self, drawing)
        stamp("ended", self.job_id)

    Lease.done = noted  # type: ignore[method-assign]
    return DrawnAtOnce()


class DrawnAtOnce:
    name = "drawn-at-once"

    def setup(self) -> Loaded:
        return Loaded(model="drawn-at-once@1", device="none", dtype="uint8")

    def draw(self, job: ImageJob, references: Sequence[Image.Image], on_step: OnStep) -> Image.Image:
        size = job.size or Size(width=512, height=512)
        coarse = np.random.default_rng(job.seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((size.width, size.height), Image.Resampling.BICUBIC)
        time.sleep(DRAW_SECONDS)
        on_step(1, 1)
        stamp("denoised", job.id)
        return picture
