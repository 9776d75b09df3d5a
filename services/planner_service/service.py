"""The planner as a port: asks a chat model for a plan, hands out its steps as they close, and asks again when it must.

Draws nothing, keeps nothing, and does not judge whether a plan is a good one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import get_args

from interleavethinker.chat import Chat
from interleavethinker.chat.settings import served_model, trained_otherwise
from interleavethinker.codec import PlannerCodec
from interleavethinker.codec.damage import Reason
from interleavethinker.codec.images import planner_images
from interleavethinker.errors import Malformed
from interleavethinker.ports import Blobs, Planning
from interleavethinker.telemetry import MALFORMED, TOKENS, timed
from interleavethinker.types import Brief, Step
from services.planner_service.answer import PlanInWriting
from services.planner_service.settings import PlannerSettings


class PlannerService:
    """Implements `ports.Planner`."""

    def __init__(self, chat: Chat, codec: PlannerCodec, blobs: Blobs, settings: PlannerSettings) -> None:
        self.chat = chat
        self.codec = codec
        self.blobs = blobs
        self.settings = settings
        self._model = served_model(settings)
        for reason in get_args(Reason):
            MALFORMED.labels("planner", reason)  # shown as zero, not as absent

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        """Yield each step as it closes, then the `Planning`; the first `max_steps` steps of a longer plan.

        An answer that cannot be read is asked for again, up to `settings.reasks` times. Steps that were given out
        stand: the next answer goes on after them where the model takes a prefix, else it must begin with the same ones.
        Raises Malformed, with every raw answer in `extra["raws"]`, once the questions are spent.
        """
        with timed("planner"):
            messages = self.codec.messages(brief, await self._images(brief))
            raws: list[str] = []
            given: list[Step] = []
            prefix = ""
            for ask in range(1 + self.settings.reasks):
                answer = PlanInWriting(self.codec, prefix)
                tokens = self.chat.stream(
                    messages,
                    max_tokens=self.settings.max_tokens,
                    temperature=self.settings.reask_temperature if ask else self.settings.temperature,
                    seed=(seed + ask) % 2**32,
                    prefix=prefix,
                )
                try:
                    async with aclosing(tokens):
                        async for token in tokens:
                            TOKENS.labels("planner").inc()
                            answer.write(token.text)
                            for step in _new(answer, given, max_steps):
                                given.append(step)
                                yield self.codec.to_draw(step, brief)
                            if len(answer.steps) >= max_steps:
                                break
                    plan = answer.cut() if len(answer.steps) >= max_steps else answer.plan()
                    for step in _new(answer, given, max_steps):
                        given.append(step)
                        yield self.codec.to_draw(step, brief)
                except Malformed as malformed:
                    MALFORMED.labels("planner", malformed.reason).inc()
                    raws.append(answer.text)
                    damage = malformed
                    if self.chat.supports_prefix and answer.steps == given and answer.sound():
                        prefix = answer.beginning()
                    continue
                steps = tuple(self.codec.to_draw(step, brief) for step in given)
                whole = plan.model_copy(update={"steps": steps})
                yield Planning(whole, (*raws, answer.text), self._model, self.codec.pack.digest)
                return
            damage.extra |= {"raws": raws}
            raise damage

    async def ready(self) -> list[str]:
        """What keeps the planner from planning."""
        return [*await self.chat.ready(), *trained_otherwise(self.settings, self.codec.pack)]

    async def close(self) -> None:
        await self.chat.close()

    async def _images(self, brief: Brief) -> list[bytes]:
        found = [await self.blobs.get(image.digest) for image in brief.images]
        return await asyncio.to_thread(planner_images, found, self.codec.pack.images)


def _new(answer: PlanInWriting, given: list[Step], max_steps: int) -> list[Step]:
    """The steps that are not given out yet. Raises Malformed when those that are would have to change."""
    both = min(len(given), len(answer.steps))
    if answer.steps[:both] != given[:both]:
        raise Malformed("changed_steps", "the new answer does not begin with the steps already given out", answer.text)
    return answer.steps[len(given) : max_steps]
