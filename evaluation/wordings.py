"""How reliable each wording family is: first attempts at held-out steps said in every style, and what a second attempt
is worth with other luck and with other words.

A generator's own numbers, without planner or critic: the picture before each step is the painted one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from diffusers import Flux2KleinPipeline

from evaluation.statistics import paired_difference, proportion
from smallworld.critique import refine
from smallworld.edits import Add, Edit, Move, Paint
from smallworld.measure import compare, read_batch
from smallworld.paint import paint
from smallworld.prompts import STYLES, say
from smallworld.recipes import recipe
from smallworld.scene import Scene
from training.sampler import draw

AT_ONCE = 64


@dataclass(frozen=True)
class Case:
    """A step to be said in every style; `seed` draws the first attempt, `another` both second ones."""

    edit: Edit
    before: Scene | None
    after: Scene
    seed: int
    another: int

    @property
    def place(self) -> str:
        """How its place is told: first pictures and edits that name a thing only stand apart."""
        if isinstance(self.edit, Paint):
            return "first_picture"
        if isinstance(self.edit, Add | Move):
            return "relation" if self.edit.place.relation else "cell"
        return "no_place"


def held_out_cases(n: int, seed: int) -> list[Case]:
    """`n` steps of held-out recipes, one of each recipe, as often of each kind as recipes have them."""
    rng = random.Random(f"evaluate wordings {seed}")
    cases = []
    for _ in range(n):
        steps = recipe(rng, held_out=True).steps
        at = rng.randrange(len(steps))
        before = steps[at - 1].after if at else None
        cases.append(Case(steps[at].edit, before, steps[at].after, rng.getrandbits(32), rng.getrandbits(32)))
    return cases


Attempt = tuple[Case, str, int]
"""What is drawn: the case, the words, the seed."""

Draw = Callable[[Sequence[Attempt]], list[bool]]
"""Draws attempts and says of each whether it is exactly right."""


def drawing(pipeline: Flux2KleinPipeline) -> Draw:
    """Draws with the pipeline and reads with the exact judge."""

    def tried(attempts: Sequence[Attempt]) -> list[bool]:
        right: list[bool] = []
        for start in range(0, len(attempts), AT_ONCE):
            part = attempts[start : start + AT_ONCE]
            befores: list[np.ndarray | None] = [paint(case.before) if case.before else None for case, _, _ in part]
            pictures = draw(pipeline, [words for _, words, _ in part], befores, [seed for _, _, seed in part])
            readings = read_batch(pictures)
            right += [
                compare(reading, case.after).correct for reading, (case, _, _) in zip(readings, part, strict=True)
            ]
        return right

    return tried


def measure_wordings(
    cases: Sequence[Case], tried: Draw, done: Callable[[], None] = lambda: None
) -> dict[str, dict[str, Any]]:
    """Style -> first_attempt (all, and by how the place is told), luck and refinement (second attempts at the failed
    ones, with another seed each: the same words, or the plainest with the cell named), and their paired difference.

    `done` is called after each style.
    """
    measured = {}
    for style in STYLES:
        measured[style] = _measure_style(cases, style, tried)
        done()
    return measured


def _measure_style(cases: Sequence[Case], style: str, tried: Draw) -> dict[str, Any]:
    said = [say(case.edit, style) for case in cases]
    right = tried([(case, words, case.seed) for case, words in zip(cases, said, strict=True)])
    first: dict[str, Any] = {"all": proportion(right)}
    for place in ("first_picture", "cell", "relation", "no_place"):
        part = [good for case, good in zip(cases, right, strict=True) if case.place == place]
        first[place] = proportion(part) if part else None
    failed = [(case, words) for case, words, good in zip(cases, said, right, strict=True) if not good]
    if not failed:
        return {"first_attempt": first, "luck": None, "refinement": None, "refinement - luck": None}
    luck = tried([(case, words, case.another) for case, words in failed])
    refined = tried([(case, refine(case.edit, case.before, words), case.another) for case, words in failed])
    return {
        "first_attempt": first,
        "luck": proportion(luck),
        "refinement": proportion(refined),
        "refinement - luck": paired_difference(refined, luck),
    }
