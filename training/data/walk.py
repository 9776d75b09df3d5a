"""One trajectory: a teacher's document with every attempt, its scores and the teacher's verdict (paper section 3).

The same walk for both worlds: teacher, generator and judge are ports. Loads no model library.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from interleavethinker.errors import BadRequest, DrawFailed
from interleavethinker.ports import Blobs, Critic, Generator
from interleavethinker.types import Critique, ImageJob, ImageRef, Outcome
from training.data.values import AttemptRecord
from training.judge import Judge

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
