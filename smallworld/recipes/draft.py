"""A document being laid out: its values, the choices made, and the words that families share."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from smallworld.edits import Edit, Move, Paint, Place, apply
from smallworld.prompts import PLAIN, say
from smallworld.sample import has_held_out
from smallworld.scene import Scene, Thing


@dataclass(frozen=True)
class RecipeStep:
    """One step: `prompt` says `edit`, and carrying it out gives `after`."""

    name: str
    instruction: str
    edit: Edit
    after: Scene
    prompt: str


@dataclass(frozen=True)
class Recipe:
    """A request and the document it asks for. `variation` names the family and every choice made."""

    family: str
    genre: str
    request: str
    variation: str
    steps: tuple[RecipeStep, ...]

    @property
    def held_out(self) -> bool:
        """Kept from training: a tenth of all variations, and all that show a held-out thing at its cell."""
        digest = hashlib.sha256(self.variation.encode()).digest()
        return digest[0] < 26 or any(has_held_out(step.after) for step in self.steps)


@dataclass
class Draft:
    """A document being laid out: choices are drawn and remembered, steps carried out as they are added. Its prompts
    speak in one style, which is no part of the variation."""

    rng: random.Random
    style: str = PLAIN
    choices: list[str] = field(default_factory=list)
    steps: list[RecipeStep] = field(default_factory=list)

    @property
    def scene(self) -> Scene | None:
        return self.steps[-1].after if self.steps else None

    def pick(self, options: tuple[str, ...] | list[str], count: int = 1) -> list[str]:
        """`count` different options, remembered as part of the variation."""
        chosen = self.rng.sample(list(options), count)
        self.choices += chosen
        return chosen

    def one(self, options: tuple[str, ...] | list[str]) -> str:
        return self.pick(options)[0]

    def step(self, name: str, instruction: str, edit: Edit, order: Sequence[str] | None = None) -> None:
        """`order`: of the cells of a first picture, where the request names its things in another than raster order."""
        prompt = say(edit, self.style, order=order)
        self.steps.append(RecipeStep(name, instruction, edit, apply(edit, self.scene), prompt))

    def paint(self, name: str, instruction: str, setting: str, **things: Thing) -> None:
        self.step(name, instruction, Paint(Scene(setting, things)))


def above(thing: Thing) -> Place:
    return Place(relation="on top of", anchor=thing)


def under(thing: Thing) -> Place:
    return Place(relation="below", anchor=thing)


def right_of(thing: Thing) -> Place:
    return Place(relation="right of", anchor=thing)


def left_of(thing: Thing) -> Place:
    return Place(relation="left of", anchor=thing)


def onward(draft: Draft, thing: Thing, relation: str) -> Move:
    """Move the thing one cell on; a thing cannot be its own landmark, so the place is named by cell."""
    assert draft.scene
    return Move(thing, Place(Place(relation=relation, anchor=thing).on(draft.scene)))


SIDES = {"on the left": "a", "in the middle": "b", "on the right": "d"}
MOVERS = ("boat", "car", "cat", "bird", "fish", "butterfly", "ball", "balloon")
Told = tuple[str, ...]
"""The ways to name the wish, each fitting after "how do I" (how-to), "a story:" (story) or as an order
(manipulation)."""


def side(draft: Draft) -> tuple[str, str]:
    """A column and the words for it; now and then the request leaves it open, which means the middle."""
    words = draft.one(["", *SIDES])
    return SIDES.get(words, "b"), f" {words}" if words else ""


def listed(words: list[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else words[0]


class Unfit(Exception):
    """The choices do not fit each other; draw others."""
