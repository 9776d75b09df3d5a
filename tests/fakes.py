"""A planner, a critic and a generator that answer from a script, for tests of what stands around them.

They count their calls. The generator draws real little pictures, one colour for each job, so a document made with fakes
is a document; it is the fake of tests/contracts/test_generator_port.py. tests/contracts/test_fakes.py holds the other
two to what the ports promise; their own suites cannot, since those speak to a chat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence

from interleavethinker.errors import DrawFailed
from interleavethinker.ports import Blobs, Judgement, Planning
from interleavethinker.types import Brief, Critique, Drawing, ImageJob, Outcome, Plan, Step, Verdict
from tests.fake_generator import FakeGenerator as PlainGenerator

ACCEPT = Verdict(outcome=Outcome.ACCEPT, confidence=0.95)
UNSURE = Verdict(outcome=Outcome.ACCEPT, confidence=0.7)
ABSTAIN = Verdict(outcome=Outcome.ABSTAIN)


def revise(refined_prompt: str, confidence: float | None = 0.8) -> Verdict:
    return Verdict(outcome=Outcome.REVISE, refined_prompt=refined_prompt, confidence=confidence)


def steps_of(*prompts: str | None) -> tuple[Step, ...]:
    """Steps 1, 2, ... with these prompts; None draws nothing."""
    return tuple(
        Step(index=number, name=f"step {number}", instruction=f"Now {prompt}" if prompt else None, prompt=prompt,
             auxiliary_text=None if prompt else f"answer {number}")
        for number, prompt in enumerate(prompts, 1)
    )  # fmt: skip


class FakePlanner:
    """Says the given steps, at most `max_steps` of them, with `pause` seconds before each part of its answer.

    `breaks`: raise this error after `breaks_after` steps. `gate`: do not end the plan before this is set.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        pause: float = 0.0,
        breaks: Exception | None = None,
        breaks_after: int = 0,
        gate: asyncio.Event | None = None,
    ) -> None:
        self.gate = gate
        self.steps, self.pause, self.breaks, self.breaks_after = tuple(steps), pause, breaks, breaks_after
        self.asked = 0
        self.said: list[int] = []

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        self.asked += 1
        steps = self.steps[:max_steps]
        for place, step in enumerate(steps):
            if self.breaks and place == self.breaks_after:
                raise self.breaks
            await asyncio.sleep(self.pause)
            self.said.append(step.index)
            yield step
        if self.gate:
            await self.gate.wait()
        if self.breaks and self.breaks_after >= len(steps):
            raise self.breaks
        await asyncio.sleep(self.pause)
        yield Planning(Plan(steps=steps, reasoning=f"thoughts on {brief.prompt}"), ("the raw answer",))


class FakeCritic:
    """Gives the verdicts in order, one for each new critique, then accepts for ever; the same critique, the same
    verdict."""

    def __init__(self, verdicts: Iterable[Verdict] = (), *, pause: float = 0.0) -> None:
        self._script = iter(verdicts)
        self._given: dict[str, Verdict] = {}
        self.pause = pause
        self.asked: list[Critique] = []

    async def judge(self, critique: Critique) -> Judgement:
        self.asked.append(critique)
        await asyncio.sleep(self.pause)
        verdict = self._given.get(critique.content_digest) or next(self._script, ACCEPT)
        self._given[critique.content_digest] = verdict
        return Judgement(verdict, (f"raw {verdict.outcome}",))


class FakeGenerator(PlainGenerator):
    """The contract's fake, slowed down and made to fail at will; `asked`, `foreseen` and `forgotten` list its calls.

    `broken`: prompts that cannot be drawn. `gate`: nothing is drawn before it is set.
    """

    def __init__(
        self, blobs: Blobs, *, pause: float = 0.0, broken: Iterable[str] = (), gate: asyncio.Event | None = None
    ) -> None:
        super().__init__(blobs)
        self.pause, self.broken, self.gate = pause, frozenset(broken), gate
        self.asked: list[ImageJob] = []
        self.foreseen: list[ImageJob] = []
        self.forgotten: list[ImageJob] = []

    async def draw(self, job: ImageJob) -> Drawing:
        self.asked.append(job)
        await asyncio.sleep(self.pause)
        if self.gate:
            await self.gate.wait()
        if job.prompt in self.broken:
            raise DrawFailed(f"cannot draw {job.prompt!r}")
        return await super().draw(job)

    async def draw_one(self, prompt: str) -> Drawing:
        """A picture for a test to begin with."""
        return await super().draw(ImageJob(prompt=prompt, seed=0))

    async def foresee(self, job: ImageJob) -> None:
        self.foreseen.append(job)
        await super().foresee(job)

    async def forget(self, job: ImageJob) -> None:
        self.forgotten.append(job)
        await super().forget(job)
