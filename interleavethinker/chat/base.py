"""The port to a vision-language model: messages in, a stream of tokens out.

It knows nothing of plans and verdicts (that is the codec's), and nothing of where the model runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple, Protocol

from interleavethinker.codec import Message


class Token(NamedTuple):
    """A piece of the answer's text as the model decoded it.

    `text` may be empty (a token that ends inside a UTF-8 character). `logprob` is the natural logarithm of the token's
    probability under the model before any temperature, None where the backend does not tell it.
    """

    text: str
    logprob: float | None


class Chat(Protocol):
    """One served model. Implemented by `chat.local` (transformers in process) and `chat.openai` (any such server)."""

    model: str
    supports_prefix: bool
    """Whether `stream` takes a `prefix`; BadRequest is raised where it does not."""

    def stream(
        self,
        messages: Sequence[Message[bytes]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        prefix: str = "",
    ) -> AsyncGenerator[Token, None]:
        """Answer the messages, token by token, until the model ends or `max_tokens` are decoded.

        `prefix` is the beginning of the answer that is already fixed: the answer goes on from it, it is not yielded.
        Temperature 0 is greedy; above it the same seed gives the same answer. Closing the stream stops the decoding.
        Images are encoded bytes (png, jpeg, webp). Markers of the model's own control tokens inside a text are text.
        Raises BadRequest (the messages cannot be answered), ContentRefused (a hosted model will not), Unavailable
        (nobody answers now), BadSettings.
        """
        ...

    async def ready(self) -> list[str]:
        """What keeps the model from answering, in words; empty when it is ready."""
        ...

    async def close(self) -> None:
        """Give back connections and memory."""
        ...
