"""What servers of OpenAI's chat API do differently, and where this is met: which fields they take, how an answer may
end, what they say of its tokens.

OpenAI's reasoning models refuse `max_tokens`, `temperature` and `logprobs`; Google's endpoint refuses what it does not
know; Anthropic's takes all and heeds little of it. What a server refuses is left out from then on, and costs one
refused call. Deliberately not here: asking (`openai`).
"""

from __future__ import annotations

import io
import re
from typing import Any

import openai
import structlog
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from PIL import Image

from interleavethinker.errors import BadSettings, ContentRefused
from interleavethinker.telemetry import CHAT_COST, CHAT_TOKENS

log = structlog.get_logger(__name__)

OPTIONAL = ("logprobs", "stream_options", "seed", "temperature")
REFUSALS = ("content_filter", "content_policy_violation", "moderation_blocked")
QUOTA = ("insufficient_quota", "billing_not_active", "billing_hard_limit_reached")
_JPEGS = ((1.0, 90), (1.0, 70), (0.7, 70), (0.5, 70), (0.35, 70))
"""Scale and quality, until one is small enough."""


def words_of(error: Exception) -> str:
    """What a server said. Google's endpoint says it in a list, which the SDK does not look into."""
    if isinstance(error, openai.APIStatusError) and not isinstance(error.body, dict):
        return error.response.text[:2_000] or error.message
    return str(getattr(error, "message", "")) or str(error) or type(error).__name__


class Fields:
    """The fields of a question that not every server takes. With `learns`, those that were refused are left out."""

    def __init__(self, *, logprobs: bool, learns: bool) -> None:
        self._learns = learns
        self._without = set() if logprobs else {"logprobs"}
        self._limit = "max_tokens"

    def of(self, *, max_tokens: int, temperature: float, seed: int) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "temperature": temperature,
            "seed": seed,
            "logprobs": True,
            "stream_options": {"include_usage": True},
        }
        kept = {name: value for name, value in fields.items() if name not in self._without}
        return {self._limit: max_tokens, **kept}

    def learn(self, error: openai.APIStatusError) -> bool:
        """Whether the refusal was of one of these fields, so that asking without it may help."""
        if not self._learns or error.status_code not in (400, 403, 422):
            return False
        text = f"{error.param or ''} {words_of(error)}"
        if self._limit == "max_tokens" and "max_completion_tokens" in text:
            self._limit = "max_completion_tokens"
            log.info("the server takes max_completion_tokens")
            return True
        found = {name for name in OPTIONAL if re.search(rf"\b{name}\b", text)} - self._without
        if found:
            log.warning("the server refuses fields; they are left out from now on", fields=sorted(found))
        self._without |= found
        return bool(found)


class Ending:
    """How one answer ends: watched chunk by chunk, looked at when the stream is over."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._refusal = ""
        self._said = False
        self._id, self._model = "", ""

    def watch(self, chunk: ChatCompletionChunk) -> None:
        self._id, self._model = chunk.id or self._id, chunk.model or self._model
        for choice in chunk.choices[:1]:
            self._reason = choice.finish_reason or self._reason
            self._refusal += choice.delta.refusal or ""
            self._said = self._said or bool(choice.delta.content)

    def attributes(self, usage: CompletionUsage | None) -> dict[str, Any]:
        """For the answer's span, by OpenTelemetry's names."""
        return {
            "gen_ai.response.finish_reasons": [self._reason] if self._reason else None,
            "gen_ai.response.id": self._id or None,
            "gen_ai.response.model": self._model or None,
            "gen_ai.usage.input_tokens": usage.prompt_tokens if usage else None,
            "gen_ai.usage.output_tokens": usage.completion_tokens if usage else None,
        }

    def look(self, model: str, max_tokens: int) -> None:
        """Raises ContentRefused for an answer that is a refusal, BadSettings for one that ended before it began."""
        if self._reason == "content_filter" or self._refusal:
            raise ContentRefused(f"{model} refuses to answer this: {self._refusal[:300] or 'its content filter'}")
        if self._reason == "length" and not self._said:
            raise BadSettings(
                f"{model} spent max_tokens = {max_tokens} before it said anything (it reasons first): set it higher"
            )
        if self._reason == "length":
            log.warning("an answer was cut: set max_tokens higher", model=model, max_tokens=max_tokens)


class Usage:
    """Counts tokens, and what they cost by the settings' prices (for a million, in and out)."""

    def __init__(self, model: str, price_in: float, price_out: float, currency: str) -> None:
        self._model, self._prices, self._currency = model, (price_in, price_out), currency

    def count(self, said: CompletionUsage | None, decoded: int) -> None:
        """`said` by the server; where it did not come (the answer was left early), `decoded` tokens were written, and
        how many were read is not known."""
        tokens = (said.prompt_tokens, said.completion_tokens) if said else (0, decoded)
        for kind, count in zip(("input", "output"), tokens, strict=True):
            CHAT_TOKENS.labels(self._model, kind).inc(count or 0)
        if any(self._prices):
            cost = sum((count or 0) * price for count, price in zip(tokens, self._prices, strict=True)) / 1_000_000
            CHAT_COST.labels(self._model, self._currency).inc(cost)


def in_bytes(image: bytes, most: int | None) -> bytes:
    """The encoded image, as a JPEG where it has more than `most` bytes: hosted services limit what a call may hold."""
    if most is None or len(image) <= most:
        return image
    smaller = image
    with Image.open(io.BytesIO(image)) as picture:
        for scale, quality in _JPEGS:
            out = io.BytesIO()
            size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            picture.convert("RGB").resize(size).save(out, "JPEG", quality=quality)
            smaller = min(smaller, out.getvalue(), key=len)
            if len(smaller) <= most:
                break
    return smaller
