"""A chat's span, by OpenTelemetry's conventions for generative AI (`gen_ai.*`).

What was asked and answered stands in it only where OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says so, and
pictures never: a picture is named by the SHA-256 of the bytes that the model was given.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from opentelemetry.trace import Span, SpanKind

from interleavethinker import tracing
from interleavethinker.chat.base import Token
from interleavethinker.codec import ImagePart, Message, TextPart

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}

Stream = TypeVar("Stream", bound=Callable[..., AsyncGenerator[Token, None]])


def traced(stream: Stream) -> Stream:
    """Around a `Chat.stream`: one span for each answer, until its stream ends or is left. What only the stream knows,
    it says itself (`tracing.annotate`): who serves the model, and the server's own count of tokens."""

    @wraps(stream)
    def told(self: Any, messages: Sequence[Message[bytes]], **asked: Any) -> AsyncGenerator[Token, None]:
        answer = stream(self, messages, **asked)
        return _told(self.model, messages, asked, answer) if tracing.on() else answer

    return cast(Stream, told)


async def _told(
    model: str, messages: Sequence[Message[bytes]], asked: dict[str, Any], answer: AsyncGenerator[Token, None]
) -> AsyncGenerator[Token, None]:
    most = asked["max_tokens"]
    known = {
        "gen_ai.operation.name": "chat",
        "gen_ai.output.type": "text",
        "gen_ai.request.max_tokens": most,
        "gen_ai.request.model": model,
        "gen_ai.request.seed": asked.get("seed", 0),
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": float(asked.get("temperature", 0.0)),
    }
    span = tracing.start(f"chat {model}", known, kind=SpanKind.CLIENT)
    whole = span.is_recording() and os.environ.get(CONTENT, "").strip().lower() in ("true", "span_only")
    if whole:
        span.set_attribute("gen_ai.input.messages", json.dumps([_message(each) for each in messages]))
    written, began, reason = list[str](), time.perf_counter(), None
    stream = tracing.through(span, answer)
    try:
        async for token in stream:
            if not written:
                span.set_attribute("gen_ai.response.time_to_first_chunk", time.perf_counter() - began)
            written.append(token.text)
            span.set_attribute("gen_ai.usage.output_tokens", len(written))
            yield token
        reason = "length" if len(written) >= most else "stop"
    finally:
        await stream.aclose()
        if reason and not _says(span, "gen_ai.response.finish_reasons"):
            span.set_attribute("gen_ai.response.finish_reasons", [reason])
        if whole:
            said = {"role": "assistant", "parts": [{"type": "text", "content": "".join(written)}]}
            span.set_attribute("gen_ai.output.messages", json.dumps([said | {"finish_reason": reason or "left"}]))
        span.end()


def _says(span: Span, name: str) -> bool:
    return name in (getattr(span, "attributes", None) or {})


def _message(message: Message[bytes]) -> dict[str, Any]:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _part(part: TextPart | ImagePart[bytes]) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        kind = next((kind for magic, kind in _MEDIA_TYPES.items() if part.image.startswith(magic)), None)
        name = f"sha256:{hashlib.sha256(part.image).hexdigest()}"
        return {"type": "file", "modality": "image", "mime_type": kind, "file_id": name}
    return {"type": "text", "content": part.text}
