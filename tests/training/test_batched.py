"""Several generators as one."""

from __future__ import annotations

from interleavethinker.types import ImageJob
from tests.fake_generator import FakeGenerator
from training.batched import MemoryBlobs, OneOfSeveral


async def test_a_job_is_always_drawn_by_the_same_of_several_generators_and_all_draw():
    blobs = MemoryBlobs()
    one, other = FakeGenerator(blobs), FakeGenerator(blobs)
    both = OneOfSeveral([one, other])
    jobs = [ImageJob(prompt=f"a boat {number}", seed=number) for number in range(6)]
    for job in jobs * 2:
        await both.draw(job)
    assert [{job.seed for job in each.drawn} for each in (one, other)] == [{0, 2, 4}, {1, 3, 5}]
    # Another prompt for the same attempt, as in a group of answers, goes to the same generator.
    await both.draw(jobs[1].model_copy(update={"prompt": "a ship"}))
    assert other.drawn[-1].prompt == "a ship"
    await both.foresee(jobs[0])
    await both.forget(jobs[0])
