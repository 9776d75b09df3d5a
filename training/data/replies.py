"""Every raw reply and drawing of a teacher's run, on disk as it comes; asked again, it is answered from there.

So a run that was killed is resumed by running it again: nothing that was answered is asked, drawn or paid for twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interleavethinker.chat import Chat, Token
from interleavethinker.codec import ImagePart, Message
from interleavethinker.ports import Generator
from interleavethinker.types import Drawing, GenerationParams, ImageJob, Size

CHARACTERS = 4
"""Of a token, on average: endpoints that stream do not say how many they used."""


class Ledger:
    """A .jsonl of rows by key. A last line that a kill cut short is dropped. Only the `answers` are held in memory: the
    rows of a large run do not fit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.answers: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            end = 0
            with path.open("rb+") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        file.truncate(end)
                        break
                    end += len(line)
                    row = json.loads(line)
                    self.answers[row["key"]] = row["answer"]

    def add(self, key: str, answer: Any, **facts: Any) -> None:
        row = {"key": key, "at": datetime.now(UTC).isoformat(timespec="seconds"), **facts, "answer": answer}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.answers[key] = answer


class RecordedChat:
    """Implements `chat.Chat` over another one; whole answers are kept in the ledger, with who was asked as what."""

    def __init__(self, chat: Chat, ledger: Ledger, role: str) -> None:
        self._chat, self._ledger, self._role = chat, ledger, role
        self.model, self.supports_prefix = chat.model, chat.supports_prefix

    async def stream(
        self,
        messages: Sequence[Message[bytes]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        prefix: str = "",
    ) -> AsyncGenerator[Token, None]:
        asked = {"model": self.model, "max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        said = [[message.role, [_part(part, message.role) for part in message.parts]] for message in messages]
        key = hashlib.sha256(json.dumps([said, asked, prefix], sort_keys=True).encode()).hexdigest()
        if key in self._ledger.answers:
            yield Token(self._ledger.answers[key], None)
            return
        answer = ""
        tokens = self._chat.stream(messages, max_tokens=max_tokens, temperature=temperature, seed=seed, prefix=prefix)
        async with aclosing(tokens):
            async for token in tokens:
                answer += token.text
                yield token
        self._ledger.add(key, answer, role=self._role, **asked, question=said)

    async def ready(self) -> list[str]:
        return await self._chat.ready()

    async def close(self) -> None:
        await self._chat.close()


class RecordedGenerator:
    """Implements `ports.Generator` over another one, and asks it for pictures of one size, sampled in one way."""

    def __init__(
        self, generator: Generator, ledger: Ledger, size: Size | None = None, params: GenerationParams | None = None
    ) -> None:
        self._generator, self._ledger = generator, ledger
        self._every = {"size": size, "params": params or GenerationParams()}

    async def draw(self, job: ImageJob) -> Drawing:
        job = job.model_copy(update=self._every)
        if job.id in self._ledger.answers:
            return Drawing.model_validate(self._ledger.answers[job.id])
        drawing = await self._generator.draw(job)
        self._ledger.add(job.id, drawing.model_dump(mode="json"), job=job.model_dump(mode="json"))
        return drawing

    async def foresee(self, job: ImageJob) -> None:
        await self._generator.foresee(job)

    async def forget(self, job: ImageJob) -> None:
        await self._generator.forget(job)


def _part(part: Any, role: str) -> str:
    """A text as it is; an image and a pack's long system text by digest, since both lie elsewhere already."""
    if isinstance(part, ImagePart):
        return f"image:{hashlib.sha256(part.image).hexdigest()}"
    if role == "system":
        return f"text:{hashlib.sha256(part.text.encode()).hexdigest()}"
    return str(part.text)
