"""Judgements of one run, asked for or ahead of their turn: the same critique is thought about once.

Deliberately not here: which critiques are worth it (`foresight`).
"""

from __future__ import annotations

import asyncio

from interleavethinker.errors import InterleaveError
from interleavethinker.ports import Critic, Judgement
from interleavethinker.types import Critique
from services.orchestrator.metrics import JUDGED_AHEAD


class AskedFor:
    """Judgements of one critic that loops wait for, of all runs of a process."""

    count = 0


class _Thought:
    def __init__(self, task: asyncio.Task[Judgement]) -> None:
        self.task, self.asked = task, False


class Thoughts:
    """Ahead of its turn something is judged only while fewer than `below` judgements are under way that loops wait for:
    else it would slow those."""

    def __init__(self, critic: Critic, below: int, asked_for: AskedFor) -> None:
        self._critic, self._below, self._asked_for = critic, below, asked_for
        self._open: dict[str, _Thought] = {}

    async def judge(self, critique: Critique) -> Judgement:
        """Asked for."""
        thought = self._open.get(key := critique.content_digest)
        if thought is None:
            thought = self._begin(key, critique)
        elif not thought.asked:
            JUDGED_AHEAD.labels("used").inc()
        thought.asked = True
        self._asked_for.count += 1
        try:
            return await self._of(key, thought)
        finally:
            self._asked_for.count -= 1

    async def ahead(self, critique: Critique) -> Judgement | None:
        """None where there is no time for it, or nobody to judge; cancelling it ends what nobody asked for."""
        key = critique.content_digest
        if (thought := self._open.get(key)) is None:
            if self._asked_for.count >= self._below:
                return None
            JUDGED_AHEAD.labels("begun").inc()
            thought = self._begin(key, critique)
        try:
            return await self._of(key, thought)
        except InterleaveError:  # whoever asks for it will be told
            return None
        except asyncio.CancelledError:
            if not thought.asked:
                self._open.pop(key, None)
                JUDGED_AHEAD.labels("in_vain").inc()
                await _ended([thought.task])
            raise

    async def close(self) -> None:
        await _ended([thought.task for thought in self._open.values()])
        JUDGED_AHEAD.labels("in_vain").inc(sum(not thought.asked for thought in self._open.values()))
        self._open.clear()

    def _begin(self, key: str, critique: Critique) -> _Thought:
        self._open[key] = thought = _Thought(asyncio.create_task(self._critic.judge(critique)))
        return thought

    async def _of(self, key: str, thought: _Thought) -> Judgement:
        try:
            return await asyncio.shield(thought.task)
        except InterleaveError:
            self._open.pop(key, None)  # asked again, it may go better
            raise


async def _ended(tasks: list[asyncio.Task[Judgement]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
