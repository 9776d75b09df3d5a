"""Stand-ins with a GPU house's latencies, behind the loop's own ports: they sleep as long as the models would work.

One GPU writes for planner and critic (`LanguageGpu`); each of the generator's workers draws one picture at a time.
Speculative jobs are begun only while no normal one waits, give way to one at a denoising step, and stop there when
nobody wants them any more, as in services/generator_service. What is accepted is drawn by lot once for each
(document, step, attempt), so every loop meets the same verdicts. Deliberately not here: how long things take
(`latencies`)."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncGenerator
from typing import NamedTuple

from bench.latencies import ANSWER_TOKENS, DENOISE_STEPS, PLAN_TOKENS_A_STEP, SHARING, VERDICT_TOKENS, Profile
from interleavethinker.errors import Canceled
from interleavethinker.ports import Judgement, Planning
from interleavethinker.types import Brief, Critique, Drawing, ImageJob, ImageRef, Outcome, Plan, Step, Verdict
from services.orchestrator.rules import attempt_seed

MOST_ATTEMPTS = 20
CHUNK = 20
"""Tokens between two looks at how many answers are written at the same time."""


class Lots(NamedTuple):
    """Which attempts of a document are accepted: the same whoever asks, in which order and how often. At a higher
    `acceptance` all those of a lower one are, and more."""

    document: int
    acceptance: float

    def accepts(self, step: int, number: int) -> bool:
        return random.Random(f"{self.document}/{step}/{number}").random() < self.acceptance


class LanguageGpu:
    """Writes tokens; more answers at the same time slow each other a little. `cards`: so many GPUs share the
    answers."""

    def __init__(self, profile: Profile, *, cards: int = 1) -> None:
        self._profile, self._cards, self._writing = profile, cards, 0

    async def prefill(self) -> None:
        await asyncio.sleep(self._profile.prefill)

    async def write(self, tokens: int) -> None:
        self._writing += 1
        try:
            due = time.perf_counter()
            while tokens > 0:
                now = min(CHUNK, tokens)
                tokens -= now
                due += now * self._profile.token * (1 + SHARING * max(0.0, self._writing / self._cards - 1))
                await asyncio.sleep(due - time.perf_counter())
        finally:
            self._writing -= 1


class StandInPlanner:
    """Writes `steps` steps, each yielded as it closes. A brief's prompt is the document's number and acceptance."""

    def __init__(self, gpu: LanguageGpu, steps: int) -> None:
        self._gpu, self._steps = gpu, steps

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        written: list[Step] = []
        for index in range(1, min(self._steps, max_steps) + 1):
            await self._gpu.write(PLAN_TOKENS_A_STEP)
            written.append(Step(index=index, instruction=f"step {index}", prompt=f"{brief.prompt} {index} 1"))
            yield written[-1]
        yield Planning(Plan(steps=tuple(written)))


class StandInCritic:
    """Thinks, then says its verdict: the prompts tell it which attempt it sees. With `stop_on_accept` an accept ends
    there; otherwise every answer is written to its last token."""

    def __init__(self, gpu: LanguageGpu, *, stop_on_accept: bool) -> None:
        self._gpu, self._stop = gpu, stop_on_accept

    async def judge(self, critique: Critique) -> Judgement:
        document, acceptance, step, number = critique.last_prompt.split()
        seeds = {_said(attempt_seed(int(document), int(step), each)): each for each in range(1, MOST_ATTEMPTS + 1)}
        drawn = seeds.get(critique.after.digest[:8], int(number))  # the baseline has one seed for all
        accepted = Lots(int(document), float(acceptance)).accepts(int(step), drawn)
        await self._gpu.prefill()
        await self._gpu.write(VERDICT_TOKENS if accepted and self._stop else ANSWER_TOKENS)
        if accepted:
            return Judgement(Verdict(outcome=Outcome.ACCEPT, confidence=0.95))
        again = f"{document} {acceptance} {step} {int(number) + 1}"
        return Judgement(Verdict(outcome=Outcome.REVISE, refined_prompt=again, confidence=0.9))


def _said(seed: int) -> str:
    """How a stand-in's picture names its seed: the beginning of its digest."""
    return f"{seed:08x}"


class _Wanted:
    """A job while it waits or is drawn."""

    def __init__(self, job: ImageJob, *, normal: bool) -> None:
        self.job, self.normal, self.begun, self.withdrawn = job, normal, False, False
        self.way = False
        self.ended: asyncio.Future[Drawing] = asyncio.get_running_loop().create_future()
        self.ended.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


class StandInGenerator:
    """`workers` that draw. Use as an async context manager. `denoised`: steps that they took; `vain`: when each
    of those in vain was known to be."""

    def __init__(self, profile: Profile, workers: int) -> None:
        self._profile, self._workers = profile, workers
        self._jobs: dict[str, _Wanted] = {}
        self._news = asyncio.Condition()
        self.denoised = 0
        self.vain: list[float] = []

    async def __aenter__(self) -> StandInGenerator:
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def draw(self, job: ImageJob) -> Drawing:
        return await asyncio.shield((await self._want(job, normal=True)).ended)

    async def foresee(self, job: ImageJob) -> None:
        if job.id in self._jobs or not self._waiting(normal=True):  # as the service: none is taken while others wait
            await self._want(job, normal=False)

    async def hinted(self, job: ImageJob) -> Drawing | None:
        if (wanted := self._jobs.get(job.id)) is None:
            return None
        await asyncio.wait([wanted.ended])
        return None if wanted.ended.exception() else wanted.ended.result()

    async def forget(self, job: ImageJob) -> None:
        if (wanted := self._jobs.get(job.id)) and wanted.ended.done():
            if not wanted.normal and not wanted.ended.exception() and not wanted.withdrawn:
                wanted.withdrawn = True
                self._in_vain(DENOISE_STEPS)
        elif wanted:
            wanted.withdrawn = True
            if not wanted.begun:
                self._stop(wanted)

    async def _want(self, job: ImageJob, *, normal: bool) -> _Wanted:
        wanted = self._jobs.get(job.id)
        if wanted is None or (wanted.ended.done() and wanted.ended.exception()):
            wanted = self._jobs[job.id] = _Wanted(job, normal=normal)
        wanted.normal, wanted.withdrawn = wanted.normal or normal, False
        async with self._news:
            self._news.notify_all()
        return wanted

    def _waiting(self, *, normal: bool) -> list[_Wanted]:
        return [
            each for each in self._jobs.values() if each.normal is normal and not each.begun and not each.ended.done()
        ]

    async def _work(self) -> None:
        while True:
            async with self._news:
                while not (waiting := self._waiting(normal=True) or self._waiting(normal=False)):
                    await self._news.wait()
            await self._denoise(waiting[0])

    async def _denoise(self, wanted: _Wanted) -> None:
        wanted.begun = True
        seconds = self._profile.draw(edits=bool(wanted.job.references))
        due = time.perf_counter()
        for done in range(1, DENOISE_STEPS + 1):
            due += seconds / DENOISE_STEPS
            await asyncio.sleep(due - time.perf_counter())
            self.denoised += 1
            if wanted.withdrawn:
                self._in_vain(done)
                return self._stop(wanted)
            if not wanted.normal and (waits := [each for each in self._waiting(normal=True) if not each.way]):
                waits[0].way = True  # one guess gives way for each, as in the service
                self._in_vain(done)
                wanted.begun = False  # it is drawn anew when there is time again
                return None
        digest = _said(wanted.job.seed) + hashlib.sha256(wanted.job.id.encode()).hexdigest()[8:]
        image = ImageRef(digest=digest, width=1024, height=1024)
        drawing = Drawing(job_id=wanted.job.id, image=image, model="stand-in", draw_seconds=seconds)
        return wanted.ended.set_result(drawing)

    def _in_vain(self, steps: int) -> None:
        self.vain += [time.perf_counter()] * steps

    def _stop(self, wanted: _Wanted) -> None:
        wanted.ended.set_exception(Canceled("nobody wants it", job_id=wanted.job.id))
