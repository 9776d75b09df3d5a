"""A generator for tests of others: flat colours at once, held to the same contract as the real one."""

from __future__ import annotations

import asyncio
import hashlib
import io

from PIL import Image, UnidentifiedImageError

from interleavethinker.errors import Canceled, DrawFailed, NotFound
from interleavethinker.ports import Blobs, DrawProgress, OnProgress, put_image, watching
from interleavethinker.types import Drawing, ImageJob, Size

STEP_SECONDS = 0.01


class FakeGenerator:
    """Implements `ports.Generator`: a job's colour is that of its digest. `drawn` lists the jobs in order."""

    steps = 1
    """Denoising steps of a job that names none."""
    step_seconds = STEP_SECONDS

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._under_way: dict[str, asyncio.Task[Drawing]] = {}
        self._told: dict[str, list[OnProgress]] = {}
        self._shown: dict[str, bytes] = {}
        self.drawn: list[ImageJob] = []

    async def draw(self, job: ImageJob) -> Drawing:
        if told := watching.get():
            self._told.setdefault(job.id, []).append(told)
        if job.id not in self._under_way:
            self._under_way[job.id] = asyncio.create_task(self._draw(job))
        task = self._under_way[job.id]
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Canceled("the drawing was canceled") from None
            await self.forget(job)
            raise
        except DrawFailed:
            del self._under_way[job.id]
            raise

    async def foresee(self, job: ImageJob) -> None:
        self._under_way.setdefault(job.id, asyncio.create_task(self._draw(job)))

    async def hinted(self, job: ImageJob) -> Drawing | None:
        task = self._under_way.get(job.id)
        if task is None:
            return None
        await asyncio.wait([task])
        return None if task.cancelled() or task.exception() else task.result()

    async def forget(self, job: ImageJob) -> None:
        task = self._under_way.get(job.id)
        if task is not None and not task.done():
            del self._under_way[job.id]
            task.cancel()

    async def preview(self, job_id: str) -> bytes | None:
        return self._shown.get(job_id)

    async def _draw(self, job: ImageJob) -> Drawing:
        for reference in job.references:
            try:
                Image.open(io.BytesIO(await self._blobs.get(reference.digest)))
            except NotFound:
                raise DrawFailed(f"reference {reference.digest} is not in the image store") from None
            except UnidentifiedImageError:
                raise DrawFailed(f"reference {reference.digest} is no readable PNG, JPEG, WEBP picture") from None
        colour = tuple(hashlib.sha256(job.id.encode()).digest()[:3])
        steps = job.params.num_inference_steps or self.steps
        for done in range(1, steps + 1):
            await asyncio.sleep(self.step_seconds)
            small = io.BytesIO()
            Image.new("RGB", (32, 32), colour).save(small, format="JPEG")
            self._shown[job.id] = small.getvalue()
            for told in self._told.get(job.id, []):
                told(DrawProgress(job.id, done, steps, previews=min(done, steps - 1)))
        self._told.pop(job.id, None)
        self.drawn.append(job)
        size = job.size or Size(width=64, height=64)
        out = io.BytesIO()
        Image.new("RGB", (size.width, size.height), colour).save(out, format="PNG")
        image = await put_image(self._blobs, out.getvalue(), width=size.width, height=size.height)
        return Drawing(job_id=job.id, image=image, model="fake@1")
