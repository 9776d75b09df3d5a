"""The small world's trajectories: many documents are walked side by side, by generators of different strength, so that
the critic meets bad pictures. The teacher sees exactly what is wrong and rewords without knowing the generator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence

from smallworld.critique import rewordings
from smallworld.edits import Paint, apply
from smallworld.prompts import say_somehow
from smallworld.recipes import recipe
from smallworld.sample import has_held_out, random_edit, random_scene
from training.batched import BatchedGenerator, MemoryBlobs
from training.data.values import AttemptRecord
from training.data.walk import walk
from training.exact_critic import ExactCritic
from training.judge import ExactJudge


def small_document(rng: random.Random) -> list[str]:
    """The prompts of a document to walk: a recipe's, or a first picture with two or three random edits, in any
    style."""
    if rng.random() < 0.6:
        return [step.prompt for step in recipe(rng, held_out=False).steps]
    while True:
        scene = random_scene(rng, 1, 4)
        prompts = [say_somehow(Paint(scene), rng)]
        for _ in range(rng.randint(2, 3)):
            edit = random_edit(rng, scene)
            scene = apply(edit, scene)
            prompts.append(say_somehow(edit, rng))
        if not has_held_out(scene):
            return prompts


async def small_trajectories(
    generators: Sequence[tuple[str, Callable[[MemoryBlobs], BatchedGenerator]]],
    documents: range,
    seed: int,
    *,
    side_by_side: int = 64,
) -> AsyncIterator[list[AttemptRecord]]:
    """The attempts of each document, as documents end; each is a function of its number and the seed. Documents take
    turns with the generators."""
    for first in range(documents.start, documents.stop, side_by_side):
        blobs = MemoryBlobs()  # for one group only, or a large set would not fit into memory
        judge, drawing = ExactJudge(blobs), [(name, make(blobs)) for name, make in generators]

        def one(
            number: int,
            blobs: MemoryBlobs = blobs,
            judge: ExactJudge = judge,
            drawing: list[tuple[str, BatchedGenerator]] = drawing,
        ):
            rng = random.Random(f"trajectory {seed} {number}")
            name, generator = drawing[number % len(drawing)]
            teacher = ExactCritic(blobs, rewordings(rng))
            return walk(
                f"{seed}-{number}", small_document(rng), seed=seed, teacher=teacher, generator=generator, name=name,
                judge=judge, blobs=blobs,
            )  # fmt: skip

        group = range(first, min(first + side_by_side, documents.stop))
        for records in await asyncio.gather(*(one(number) for number in group)):
            yield records
