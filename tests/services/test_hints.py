"""Hints: told beside the run, and none outlives it."""

from __future__ import annotations

import asyncio

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.types import ImageJob
from services.orchestrator.hints import Hints
from tests.fakes import FakeGenerator

JOB = ImageJob(prompt="a hat", seed=1)


class Slow(FakeGenerator):
    """A generator that takes its time to hear of a hint."""

    heard = 0

    async def foresee(self, job: ImageJob) -> None:
        await asyncio.sleep(0.05)
        self.heard += 1
        await super().foresee(job)

    async def forget(self, job: ImageJob) -> None:
        assert self.heard or not self.foreseen
        await super().forget(job)


async def test_a_run_does_not_wait_for_a_hint_but_its_withdrawal_comes_after_it(blobs: DirectoryBlobs):
    async with Hints(slow := Slow(blobs)) as hints:
        await hints.foresee(JOB)
        assert slow.foreseen == []
        await hints.forget(JOB)
    assert slow.foreseen == slow.forgotten == [JOB]


async def test_a_job_that_is_asked_for_needs_its_hint_no_more(blobs: DirectoryBlobs):
    async with Hints(slow := Slow(blobs)) as hints:
        await hints.foresee(JOB)
        assert (await hints.draw(JOB)).job_id == JOB.id
        await asyncio.sleep(0.1)
    assert slow.foreseen == slow.forgotten == []


async def test_leaving_withdraws_what_came_to_nothing(blobs: DirectoryBlobs):
    slow = Slow(blobs)
    async with Hints(slow) as hints:
        await hints.foresee(JOB)
    assert slow.forgotten == [JOB]


async def test_a_run_that_is_dropped_twice_withdraws_all_the_same(blobs: DirectoryBlobs):
    slow, begun = Slow(blobs), asyncio.Event()

    async def run() -> None:
        async with Hints(slow) as hints:
            await hints.foresee(JOB)
            begun.set()
            await asyncio.sleep(60)

    running = asyncio.create_task(run())
    await begun.wait()
    for _ in range(2):
        running.cancel()
        await asyncio.sleep(0.01)
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled() and slow.forgotten == [JOB]
