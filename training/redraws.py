"""Redraws for the step reward: what each refined prompt makes of its recorded attempt, drawn and scored side by side.

Any generator behind the port will do: the batched one in this process, or the HTTP service with its queue and workers,
so that rewards are as quick as the pool of generators. All I/O runs on one event loop in a thread of its own. A redraw
that fails or takes too long scores None and is counted with its reason; it never stops a run by itself.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from PIL import Image

from interleavethinker.errors import InterleaveError, Unavailable
from interleavethinker.ports import Blobs, Generator, put_image
from interleavethinker.types import Critique, ImageJob, ImageRef
from training.data.values import RlExample
from training.judge import Judge, Scores

Redraw = tuple[RlExample, str]
"""An attempt, and the refined prompt to draw it again with."""

PATIENCE = 3
"""After so many batches in a row without one redraw that worked, something is broken: stop, and say what."""


class Redraws:
    """Draws and scores. Use as a context, or `close` it."""

    def __init__(self, generator: Generator, judge: Judge, blobs: Blobs, *, timeout: float = 120.0) -> None:
        """`timeout`: seconds that one redraw may take with its scoring, time in the queue included."""
        self.generator, self.judge, self.blobs, self.timeout = generator, judge, blobs, timeout
        self.failures: Counter[str] = Counter()
        """Failed redraws by reason, over the whole run."""
        self._empty = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="redraws", daemon=True)
        self._thread.start()

    def scores(self, redraws: Sequence[Redraw]) -> list[Scores | None]:
        """The scores of each new picture against its step's original prompt, in order; None where it failed.

        Raises Unavailable when nothing at all could be redrawn several batches in a row.
        """
        found = asyncio.run_coroutine_threadsafe(self._all(redraws), self._loop).result()
        if redraws:
            self._empty = self._empty + 1 if all(scores is None for scores in found) else 0
        if self._empty >= PATIENCE:
            reason, _ = self.failures.most_common(1)[0]
            raise Unavailable(f"no redraw worked in {PATIENCE} batches; the commonest reason: {reason}")
        return found

    async def _all(self, redraws: Sequence[Redraw]) -> list[Scores | None]:
        """Equal jobs are drawn and scored once: a group often agrees on a prompt."""
        asked: dict[tuple[str, str], asyncio.Task[Scores | None]] = {}
        tasks = []
        for example, prompt in redraws:
            job = ImageJob(prompt=prompt, references=await self._references(example), seed=example.seed)
            key = (job.id, example.prompt)
            if key not in asked:
                asked[key] = asyncio.create_task(self._one(example, job))
            tasks.append(asked[key])
        return list(await asyncio.gather(*tasks))

    async def _references(self, example: RlExample) -> tuple[ImageRef, ...]:
        if example.before is None:
            return ()
        with Image.open(io.BytesIO(example.before)) as picture:
            (width, height), media_type = picture.size, Image.MIME[picture.format or "PNG"]
        return (await put_image(self.blobs, example.before, width=width, height=height, media_type=media_type),)

    async def _one(self, example: RlExample, job: ImageJob) -> Scores | None:
        try:
            async with asyncio.timeout(self.timeout):
                drawing = await self.generator.draw(job)
                before = job.references[0] if job.references else None
                return await self.judge.score(
                    Critique(prompt=example.prompt, last_prompt=job.prompt, before=before, after=drawing.image)
                )
        except TimeoutError:
            reason = f"timed out after {self.timeout:g} s"
        except InterleaveError as error:
            reason = f"{error.code}: {error.detail}"
        except Exception as error:  # a generator or judge may fail in any way; the run goes on without this sample
            reason = f"{type(error).__name__}: {error}"
        self.failures[reason[:200]] += 1
        return None

    def close(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
