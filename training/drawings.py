"""A pool of a generator's own drawings, each an attempt at a known step: the critic's real mistakes to learn from.

Half of the steps are random edits, half come from recipes; the prompt drawn from is the step's own or a refinement of
it. The picture before is itself a drawing (through the autoencoder), as it is when the system runs.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import Flux2KleinPipeline

from interleavethinker.types import Outcome
from smallworld.critique import verdict_on_reading
from smallworld.edits import Edit, Paint
from smallworld.measure import read, read_batch
from smallworld.paint import paint
from smallworld.prompts import parse, say
from smallworld.recipes import recipe
from smallworld.sample import Example, examples
from smallworld.scene import Scene
from training.lessons import BLANK, CriticLesson, last_said
from training.sampler import draw


def step_to_draw(rng: random.Random, *, held_out: bool, hard: float = 0.0) -> Example:
    """A step: from a recipe, or a random edit. With probability `hard`, one whose place is told by relation."""
    wanted = rng.random() < hard
    while True:
        if rng.random() < 0.5:
            step = next(examples(rng, held_out=held_out))
        else:
            made = recipe(rng, held_out=held_out)
            number = rng.randrange(len(made.steps))
            before = made.steps[number - 1].after if number else None
            step = Example(before, made.steps[number].edit, made.steps[number].prompt, made.steps[number].after)
        if not wanted or getattr(getattr(step.edit, "place", None), "relation", None):
            return step


@torch.no_grad()
def redrawn(pipeline: Flux2KleinPipeline, pictures: np.ndarray) -> np.ndarray:
    """uint8 pictures through the autoencoder and back: what a drawing of the same scene looks like."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    decoded = pipeline.vae.decode(pipeline.vae.encode(pixels).latents, return_dict=False)[0]
    return ((decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255).round().byte().numpy()


@dataclass(frozen=True)
class Drawings:
    """Attempts as arrays: `before`, `after` uint8 (n, 128, 128, 3); `told` says scene before, prompt and last
    prompt."""

    before: np.ndarray
    after: np.ndarray
    told: tuple[tuple[str | None, str, str], ...]
    right: tuple[int, ...]
    wrong: tuple[int, ...]

    @classmethod
    def collect(
        cls, pipeline: Flux2KleinPipeline, count: int, seed: int, *, held_out: bool = False, hard: float = 0.0
    ) -> Drawings:
        """Draw `count` attempts and judge them; `hard` as in `step_to_draw`."""
        rng = random.Random(f"drawings {seed} {held_out}")
        steps = [step_to_draw(rng, held_out=held_out, hard=hard) for _ in range(count)]
        last = [last_said(rng, step.edit, step.before, step.prompt) for step in steps]
        painted = np.stack([BLANK if step.before is None else paint(step.before) for step in steps])
        befores = redrawn(pipeline, painted)
        for i, step in enumerate(steps):
            if step.before is None:
                befores[i] = BLANK
            elif rng.random() < 0.3:
                befores[i] = painted[i]
        references = [None if step.before is None else befores[i] for i, step in enumerate(steps)]
        after = np.stack(draw(pipeline, last, references, [rng.getrandbits(32) for _ in steps]))
        told = tuple(
            (None if step.before is None else say(Paint(step.before)), step.prompt, words)
            for step, words in zip(steps, last, strict=True)
        )
        return cls.judged(befores, after, told)

    @classmethod
    def judged(cls, before: np.ndarray, after: np.ndarray, told: tuple[tuple[str | None, str, str], ...]) -> Drawings:
        """Sort the attempts into right and wrong ones by the exact judge."""
        right: list[int] = []
        wrong: list[int] = []
        for i, (reading, (was, prompt, last)) in enumerate(zip(read_batch(list(after)), told, strict=True)):
            verdict = verdict_on_reading(parse(prompt), _scene(was), reading, last)
            (right if verdict.outcome is Outcome.ACCEPT else wrong).append(i)
        return cls(before, after, told, tuple(right), tuple(wrong))

    def save(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(directory / f"{name}.npz", before=self.before, after=self.after)
        (directory / f"{name}.json").write_text(json.dumps(self.told))

    @classmethod
    def load(cls, directory: Path) -> Drawings:
        """All of a directory's drawings as one pool. Raises FileNotFoundError when there are none."""
        names = sorted(directory.glob("*.npz"))
        if not names:
            raise FileNotFoundError(f"no drawings in {directory}: `python -m training critic` makes some")
        arrays = [np.load(name) for name in names]
        told = tuple(tuple(row) for name in names for row in json.loads(name.with_suffix(".json").read_text()))
        before = np.concatenate([array["before"] for array in arrays])
        return cls.judged(before, np.concatenate([array["after"] for array in arrays]), told)

    def lesson(self, rng: random.Random) -> CriticLesson:
        """A right or a wrong attempt, with equal chance."""
        i = rng.choice(self.right if rng.random() < 0.5 else self.wrong)
        return self.at(i)

    def at(self, i: int) -> CriticLesson:
        was, prompt, last = self.told[i]
        edit: Edit = parse(prompt)
        verdict = verdict_on_reading(edit, _scene(was), read(self.after[i]), last)
        return CriticLesson(self.before[i], self.after[i], prompt, last, verdict, "drawn")


def _scene(description: str | None) -> Scene | None:
    if description is None:
        return None
    edit = parse(description)
    assert isinstance(edit, Paint)
    return edit.scene
