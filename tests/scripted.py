"""A fake `Chat` that says what a test writes down; it passes the chat contract like the real ones."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from interleavethinker.chat import Token
from interleavethinker.codec import ImagePart, Message
from interleavethinker.codec.images import dimensions
from interleavethinker.errors import BadRequest


class ScriptedChat:
    """Answers with `answers[seed]` (the last one for higher seeds), `width` characters a token; an exception is raised.

    `probabilities` maps a piece of text to the probability that each token which holds a part of it gets; others get 1.
    `asked` keeps the arguments of every call, `decoded` counts tokens that were really given out.
    """

    def __init__(
        self,
        *answers: str | Exception,
        width: int = 3,
        model: str = "scripted",
        supports_prefix: bool = True,
        probabilities: dict[str, float] | None = None,
        pause: float = 0.0,
        tells_logprobs: bool = True,
    ) -> None:
        self.answers = answers
        self.width = width
        self.model = model
        self.supports_prefix = supports_prefix
        self.probabilities = probabilities or {}
        self.pause = pause
        self.tells_logprobs = tells_logprobs
        self.asked: list[dict[str, Any]] = []
        self.decoded = 0
        self.closed = 0

    async def stream(
        self,
        messages: Sequence[Message[bytes]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        prefix: str = "",
    ) -> AsyncGenerator[Token, None]:
        if prefix and not self.supports_prefix:
            raise BadRequest("this script takes no prefix: leave it out")
        for message in messages:
            for part in message.parts:
                if isinstance(part, ImagePart):
                    dimensions(part.image)  # raises BadRequest
        self.asked.append({"messages": messages, "temperature": temperature, "seed": seed, "prefix": prefix})
        answer = self.answers[min(seed, len(self.answers) - 1)]
        if isinstance(answer, Exception):
            raise answer
        rest = answer.removeprefix(prefix) if answer.startswith(prefix) else answer
        places = range(len(answer) - len(rest), len(answer), self.width)
        try:
            for start in places[:max_tokens]:
                await asyncio.sleep(self.pause)
                self.decoded += 1
                yield Token(answer[start : start + self.width], self._logprob(answer, start))
        finally:
            self.closed += 1

    async def ready(self) -> list[str]:
        return []

    async def close(self) -> None:
        pass

    def _logprob(self, answer: str, start: int) -> float | None:
        if not self.tells_logprobs:
            return None
        for piece, probability in self.probabilities.items():
            at = answer.find(piece)
            if at >= 0 and start < at + len(piece) and start + self.width > at:
                return math.log(probability)
        return 0.0
