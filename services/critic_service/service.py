"""The critic as a port: shows a chat model one attempt, reads its verdict, and asks again when it must.

Sees one step only, never the request or the plan (paper.md section 1). Keeps nothing and draws nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import get_args

from interleavethinker.chat import Chat
from interleavethinker.chat.settings import served_model, trained_otherwise
from interleavethinker.codec import CriticCodec, Message
from interleavethinker.codec.damage import Reason
from interleavethinker.codec.images import blank, cap_pixels, dimensions
from interleavethinker.errors import ContentRefused, Malformed
from interleavethinker.ports import Blobs, Judgement
from interleavethinker.telemetry import MALFORMED, TOKENS, VERDICTS, timed
from interleavethinker.types import Critique, Outcome, Verdict
from services.critic_service.answer import VerdictInWriting
from services.critic_service.settings import CriticSettings


class CriticService:
    """Implements `ports.Critic`."""

    def __init__(self, chat: Chat, codec: CriticCodec, blobs: Blobs, settings: CriticSettings) -> None:
        self.chat = chat
        self.codec = codec
        self.blobs = blobs
        self.settings = settings
        self._model = served_model(settings)
        for reason in get_args(Reason):
            MALFORMED.labels("critic", reason)  # shown as zero, not as absent

    async def judge(self, critique: Critique) -> Judgement:
        """The verdict, and the raw answers, failed ones first. Abstains when no answer can be read within the re-asks,
        and when the model's owner refuses one.

        Raises NotFound for an image that is not stored, BadRequest for one that cannot be read, Unavailable.
        """
        with timed("critic"):
            before, after = await self._pictures(critique)
            messages = self.codec.messages(critique.prompt, critique.last_prompt, before, after)
            raws: list[str] = []
            verdict = Verdict(outcome=Outcome.ABSTAIN)
            for ask in range(1 + self.settings.reasks):
                answer = VerdictInWriting(self.codec, critique.last_prompt)
                try:
                    verdict = await self._written(answer, messages, ask)
                    break
                except ContentRefused as refused:  # its owner's rules, not ours: the picture stands, unjudged
                    MALFORMED.labels("critic", refused.code).inc()
                    answer.text = answer.text or refused.detail
                    break
                except Malformed as malformed:
                    MALFORMED.labels("critic", malformed.reason).inc()
                finally:
                    raws.append(answer.text)
        VERDICTS.labels(verdict.outcome).inc()
        return Judgement(verdict, tuple(raws), self._model, self.codec.pack.digest)

    async def ready(self) -> list[str]:
        """What keeps the critic from judging."""
        return [*await self.chat.ready(), *trained_otherwise(self.settings, self.codec.pack)]

    async def close(self) -> None:
        await self.chat.close()

    async def _written(self, answer: VerdictInWriting, messages: Sequence[Message[bytes]], ask: int) -> Verdict:
        tokens = self.chat.stream(
            messages,
            max_tokens=self.settings.max_tokens,
            temperature=self.settings.reask_temperature if ask else self.settings.temperature,
            seed=ask,
        )
        async with aclosing(tokens):
            async for token in tokens:
                TOKENS.labels("critic").inc()
                answer.write(token)
                if self.settings.stop_on_accept and (verdict := answer.accept()):
                    return verdict
        return answer.verdict()

    async def _pictures(self, critique: Critique) -> tuple[bytes, bytes]:
        """Before and after; a blank white picture of the same size where there was none before."""
        pixels = self.codec.pack.images.max_pixels
        after = await asyncio.to_thread(cap_pixels, await self.blobs.get(critique.after.digest), pixels)
        if critique.before is None:
            return blank(*dimensions(after)), after
        return await asyncio.to_thread(cap_pixels, await self.blobs.get(critique.before.digest), pixels), after
