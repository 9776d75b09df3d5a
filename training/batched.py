"""Many questions to one small model at once: what is asked while a batch is computed is answered in the next one.

Lets the real services, the real loop and GRPO's redraws run for hundreds of documents side by side on a small CPU: a
chat (greedy answers only, and no prefix: a service that asks again gets the answer that is left after that, or none)
and a generator, both behind their ports, over images that are kept in memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from diffusers import Flux2KleinPipeline
from PIL import Image
from transformers import Qwen3VLForConditionalGeneration

from interleavethinker.chat import Token
from interleavethinker.chat.qwen import QwenInputs
from interleavethinker.codec import Message
from interleavethinker.errors import BadRequest, NotFound
from interleavethinker.ports import Generator, put_image
from interleavethinker.types import Drawing, ImageJob, ImageRef
from smallworld.scene import PICTURE_PIXELS
from training.sampler import draw, load_pipeline

Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Collects questions for `pause` seconds at most `size` at a time, answers them with one call of `work` in a
    thread."""

    def __init__(self, work: Callable[[list[Q]], list[A]], size: int, pause: float = 0.01) -> None:
        self._work, self._size, self._pause = work, size, pause
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._task: asyncio.Task[None] | None = None

    def __call__(self, question: Q) -> Awaitable[A]:
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._pause)
            batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
            try:
                answers = await asyncio.to_thread(self._work, [question for question, _ in batch])
            except Exception as error:  # whoever asked must hear of it; the others go on
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.cancelled():
                    future.set_result(answer)


class BatchedChat:
    """Implements `chat.Chat` over a small Qwen3-VL directory, greedily."""

    supports_prefix = False

    def __init__(self, model: str | Path, size: int = 32) -> None:
        self.model = str(model)
        self._inputs = QwenInputs.load(model)
        self._vocabulary = self._inputs.vocabulary()
        self._net = Qwen3VLForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
        self._answer = Batcher(self._batch, size)

    async def stream(
        self,
        messages: Sequence[Message[bytes]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        prefix: str = "",
    ) -> AsyncGenerator[Token, None]:
        if prefix:
            raise BadRequest("this chat takes no prefix")
        for token in await self._answer((messages, max_tokens)):
            yield token

    async def ready(self) -> list[str]:
        return []

    async def close(self) -> None:
        return None

    @torch.inference_mode()
    def _batch(self, questions: list[tuple[Sequence[Message[bytes]], int]]) -> list[list[Token]]:
        rows = [self._inputs.encode(messages) for messages, _ in questions]
        batch = self._inputs.batch(rows, side="left")
        limit = min(self._net.config.text_config.max_position_embeddings - batch["input_ids"].shape[1], 600)
        made = self._net.generate(
            **batch,
            max_new_tokens=min(limit, max(most for _, most in questions)),
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        tokens = made.sequences[:, batch["input_ids"].shape[1] :]
        logprobs = torch.stack(
            [
                torch.log_softmax(step.float(), -1).gather(1, tokens[:, at : at + 1])[:, 0]
                for at, step in enumerate(made.logits)
            ],
            1,
        )
        return [self._spelled(row.tolist(), chances.tolist()) for row, chances in zip(tokens, logprobs, strict=True)]

    def _spelled(self, tokens: list[int], logprobs: list[float]) -> list[Token]:
        end, text, answer = self._inputs.tokenizer.eos_token_id, self._vocabulary.text(), []
        for token, logprob in zip(tokens, logprobs, strict=True):
            if token == end:
                break
            answer.append(Token(text.feed(token, skip=0), logprob))
        if rest := text.close():
            answer.append(Token(rest, None))
        return answer


class MemoryBlobs:
    """Implements `ports.Blobs` for the life of one evaluation or training run."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    async def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self._held[digest] = data
        return digest

    async def get(self, digest: str) -> bytes:
        if digest not in self._held:
            raise NotFound(f"no blob {digest}")
        return self._held[digest]

    async def has(self, digest: str) -> bool:
        return digest in self._held


async def stored(blobs: MemoryBlobs, picture: np.ndarray) -> ImageRef:
    """Keep a uint8 picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return await put_image(blobs, buffer.getvalue(), width=PICTURE_PIXELS, height=PICTURE_PIXELS)


async def loaded(blobs: MemoryBlobs, image: ImageRef) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(await blobs.get(image.digest))).convert("RGB"))


class BatchedGenerator:
    """Implements `ports.Generator`: jobs that are asked for together are drawn together; none is drawn twice."""

    def __init__(self, directory: Path, blobs: MemoryBlobs, pipeline: Flux2KleinPipeline | None = None) -> None:
        """`pipeline`: what lies in the directory, where it is loaded already. Two generators must not draw from one
        pipeline at a time: it counts its steps."""
        self.pipeline, self._blobs = pipeline or load_pipeline(directory), blobs
        self._drawn: dict[str, Drawing] = {}
        self._draw = Batcher(self._batch, 32)

    def _batch(self, questions: list[tuple[str, np.ndarray | None, int]]) -> list[np.ndarray]:
        prompts, befores, seeds = zip(*questions, strict=True)
        return draw(self.pipeline, prompts, befores, seeds)

    async def draw(self, job: ImageJob) -> Drawing:
        if job.id not in self._drawn:
            before = await loaded(self._blobs, job.references[0]) if job.references else None
            picture = await self._draw((job.prompt, before, job.seed))
            self._drawn[job.id] = Drawing(job_id=job.id, image=await stored(self._blobs, picture))
        return self._drawn[job.id]

    async def foresee(self, job: ImageJob) -> None:
        return None

    async def forget(self, job: ImageJob) -> None:
        return None


class OneOfSeveral:
    """Implements `ports.Generator` by several: a job's seed says which one draws it, so that it is always the same.

    A critic that is reinforced on one generator learns what suits that one; on several, what any of them understands.
    """

    def __init__(self, generators: Sequence[Generator]) -> None:
        self._generators = generators

    def _of(self, job: ImageJob) -> Generator:
        return self._generators[job.seed % len(self._generators)]

    async def draw(self, job: ImageJob) -> Drawing:
        return await self._of(job).draw(job)

    async def foresee(self, job: ImageJob) -> None:
        await self._of(job).foresee(job)

    async def forget(self, job: ImageJob) -> None:
        await self._of(job).forget(job)
