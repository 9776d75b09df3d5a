"""Trajectories: a teacher's documents with every attempt, its scores and the teacher's verdict (paper section 3).

The same walk for both worlds: the teacher is a critic, the generator and the judge are ports. In the small world many
documents are walked side by side, by generators of different strength, so that the critic meets bad pictures.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence

from interleavethinker.errors import BadRequest, DrawFailed
from interleavethinker.ports import Blobs, Critic, Generator
from interleavethinker.types import Critique, ImageJob, ImageRef, Outcome
from smallworld.critique import rewordings
from smallworld.edits import Paint, apply
from smallworld.prompts import say_somehow
from smallworld.recipes import recipe
from smallworld.sample import has_held_out, random_edit, random_scene
from training.batched import BatchedGenerator, MemoryBlobs
from training.data.values import AttemptRecord
from training.exact_critic import ExactCritic
from training.judge import ExactJudge, Judge

MOST_DRAWS = 15
"""Draws and critiques of one trajectory at most (paper section 3)."""


async def walk(
    document: str,
    prompts: Sequence[str],
    *,
    seed: int,
    teacher: Critic,
    generator: Generator,
    name: str,
    judge: Judge,
    blobs: Blobs,
    attempts: int = 5,
    source: str = "smallworld",
) -> list[AttemptRecord]:
    """Draw the steps of one document, the teacher judging and rewording, until a step cannot be had or the draws are
    spent. `name` says which generator drew. An attempt that the judge cannot score ends the walk and is not kept."""
    chance = random.Random(f"{document} {seed}")
    records: list[AttemptRecord] = []
    canvas: ImageRef | None = None
    for step, prompt in enumerate(prompts, start=1):
        last, done = prompt, False
        for number in range(1, attempts + 1):
            if len(records) == MOST_DRAWS:
                return records
            job = ImageJob(prompt=last, references=(canvas,) if canvas else (), seed=chance.getrandbits(32))
            try:
                image = (await generator.draw(job)).image
                critique = Critique(prompt=prompt, last_prompt=last, before=canvas, after=image)
                scores = await judge.score(critique)
            except (BadRequest, DrawFailed):
                return records
            verdict = (await teacher.judge(critique)).verdict
            if verdict.outcome is Outcome.ABSTAIN:
                return records
            before = await blobs.get(canvas.digest) if canvas else None
            after = await blobs.get(image.digest)
            records.append(
                AttemptRecord(
                    document, step, number, prompt, last, before, after, job.seed, name, scores, verdict, source
                )
            )
            if done := verdict.outcome is Outcome.ACCEPT:
                canvas = image
                break
            last = verdict.refined_prompt or last
        if not done:
            return records
    return records


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
