"""A strong vision-language model as the teacher: it plans, judges and rewords through the codec, as our models will.

Bounded re-asks; what stays unreadable is no plan (None) or an abstention, never a guess. Where raw answers go is the
chat's affair (`replies`); walking a document with it is `walk`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from interleavethinker.chat import Chat
from interleavethinker.codec import CriticCodec, Message, Pack, PlannerCodec
from interleavethinker.codec.images import blank, cap_pixels, dimensions, planner_images
from interleavethinker.errors import Malformed
from interleavethinker.ports import Blobs, Judgement
from interleavethinker.types import Brief, Critique, ImageRef, Outcome, Plan, Verdict
from training.data.recipe import Endpoint


class Teacher:
    """Implements `ports.Critic`, and plans. One model in both roles, as in paper.md section 3."""

    def __init__(self, chat: Chat, pack: Pack, blobs: Blobs, endpoint: Endpoint, *, seed: int = 0) -> None:
        self._chat, self._blobs, self._pack, self._endpoint, self._seed = chat, blobs, pack, endpoint, seed
        self.planner, self.critic = PlannerCodec(pack), CriticCodec(pack)

    async def plan(self, request: str, images: Sequence[bytes] = (), *, seed: int = 0) -> Plan | None:
        """The plan for a request with these pictures; None when no answer could be read."""
        names = tuple(ImageRef(digest=f"{number:064x}", width=1, height=1) for number in range(len(images)))
        brief = Brief(prompt=request, images=names)
        messages = self.planner.messages(brief, planner_images(images, self._pack.images))
        for ask in range(1 + self._endpoint.reasks):
            try:
                return self.planner.read(await self._answer(messages, self._seed + seed + ask))
            except Malformed:
                continue
        return None

    async def judge(self, critique: Critique) -> Judgement:
        """The verdict, with the raw answers. Abstains when none could be read."""
        pixels = self._pack.images.max_pixels
        after = cap_pixels(await self._blobs.get(critique.after.digest), pixels)
        if critique.before is None:
            before = blank(*dimensions(after))
        else:
            before = cap_pixels(await self._blobs.get(critique.before.digest), pixels)
        messages = self.critic.messages(critique.prompt, critique.last_prompt, before, after)
        raws: list[str] = []
        for ask in range(1 + self._endpoint.reasks):
            raws.append(await self._answer(messages, self._seed + ask))
            try:
                return Judgement(self.critic.read(raws[-1]), tuple(raws))
            except Malformed:
                continue
        return Judgement(Verdict(outcome=Outcome.ABSTAIN), tuple(raws))

    async def _answer(self, messages: Sequence[Message[bytes]], seed: int) -> str:
        tokens = self._chat.stream(
            messages,
            max_tokens=self._endpoint.max_tokens,
            temperature=self._endpoint.temperature,
            seed=seed % 2**31,
        )
        async with aclosing(tokens):
            return "".join([token.text async for token in tokens])
