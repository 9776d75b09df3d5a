"""Asks a judge model, and keeps every raw reply: a question that has a readable reply is not asked again.

The judge is any server of OpenAI's chat API. What is asked, and what a reply means, is each benchmark's own.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from openai.types import CompletionUsage
from PIL import Image

from evaluation.field import folder
from interleavethinker.chat.habits import Usage
from interleavethinker.chat.openai import OpenAIChat
from interleavethinker.codec import ImagePart, Message, TextPart
from interleavethinker.errors import BadRequest, ContentRefused

T = TypeVar("T")
TRIES = 3
MAX_TOKENS = 2048


class Tally(Usage):
    """Counts the judge's calls and tokens of this session."""

    def __init__(self, model: str) -> None:
        super().__init__(model, 0.0, 0.0, "USD")
        self.calls = self.read = self.written = 0

    def count(self, said: CompletionUsage | None, decoded: int) -> None:
        self.calls += 1
        self.read += said.prompt_tokens if said else 0
        self.written += said.completion_tokens if said else decoded


class Judge:
    """`longest`: a picture's longer side in pixels, as it is sent. Temperature 0."""

    def __init__(self, url: str, model: str, *, key: str | None, at_once: int, longest: int = 1024) -> None:
        self.model, self.tally = model, Tally(model)
        self._chat = OpenAIChat(
            model, base_url=url, api_key=key or "none", flavour="plain", retries=6, logprobs=False, listed=False,
            usage=self.tally,
        )  # fmt: skip
        self._places, self._longest = asyncio.Semaphore(at_once), longest

    async def ask(self, place: Path, system: str, parts: Sequence[str | Path], read: Callable[[str], T]) -> T | None:
        """What the reply means, by `read` (which raises ValueError for one that it cannot read); None where none of
        three replies could be read. `place` keeps question and replies."""
        asked = self._asked(system, parts)
        kept = folder.read(place)
        replies: list[str] = kept["replies"] if kept and kept["question"] == asked else []
        for reply in replies:
            if (found := _read(read, reply)) is not None:
                return found
        messages = [
            Message("system", (TextPart(system),)),
            Message("user", tuple(self._part(part) for part in parts)),
        ]
        while len(replies) < TRIES:
            async with self._places:
                replies.append(await self._reply(messages, len(replies)))
            texts = [part if isinstance(part, str) else part.name for part in parts]
            folder.write(place, {"judge": self.model, "question": asked, "asked": [system, *texts], "replies": replies})
            if (found := _read(read, replies[-1])) is not None:
                return found
        return None

    async def close(self) -> None:
        await self._chat.close()

    async def _reply(self, messages: list[Message[bytes]], again: int) -> str:
        told: list[str] = []
        try:
            async for token in self._chat.stream(messages, max_tokens=MAX_TOKENS, temperature=0.0, seed=again):
                told.append(token.text)
        except (ContentRefused, BadRequest) as error:  # an answer too: no verdict is to be had
            if isinstance(error, BadRequest) and not self.tally.calls:
                raise  # it takes no question of ours: that is a setting, not this question
            return f"[refused] {error.detail}"
        return "".join(told)

    def _asked(self, system: str, parts: Sequence[str | Path]) -> str:
        """The digest of model, words and pictures: another question in the same place is asked anew."""
        told = [part if isinstance(part, str) else hashlib.sha256(part.read_bytes()).hexdigest() for part in parts]
        return hashlib.sha256(json.dumps([self.model, self._longest, system, told]).encode()).hexdigest()

    def _part(self, part: str | Path) -> TextPart | ImagePart[bytes]:
        if isinstance(part, str):
            return TextPart(part)
        with Image.open(part) as picture:
            smaller = picture.convert("RGB")
            smaller.thumbnail((self._longest, self._longest))
            out = io.BytesIO()
            smaller.save(out, "PNG")
        return ImagePart(out.getvalue())


def found_object(reply: str) -> dict[str, Any]:
    """The JSON object in a reply, fenced or not. Raises ValueError."""
    first, last = reply.find("{"), reply.rfind("}")
    if first < 0 or last < first:
        raise ValueError("no object")
    told = json.loads(reply[first : last + 1])
    if not isinstance(told, dict):
        raise ValueError("no object")
    return told


def _read(read: Callable[[str], T], reply: str) -> T | None:
    try:
        return read(reply)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
