"""Random scenes, edits and drawing examples of the small world, with a part of the world held out.

Held out means: some things are never seen at some cells in training (`scene.is_held_out`). Everything here is a
function of the `random.Random` it is given.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from smallworld.edits import (
    RELATIONS,
    Add,
    ChangeSetting,
    Edit,
    Impossible,
    Move,
    Paint,
    Place,
    Recolour,
    Remove,
    Turn,
    apply,
)
from smallworld.prompts import say_somehow
from smallworld.scene import CELLS, COLOURS, KINDS, SETTINGS, Scene, Thing, is_held_out


@dataclass(frozen=True)
class Example:
    """One step for a generator: the scene before (None for a first picture), the edit, its wording, the scene after."""

    before: Scene | None
    edit: Edit
    prompt: str
    after: Scene


def has_held_out(scene: Scene) -> bool:
    """Whether the scene holds anything that training never shows at its cell."""
    return any(is_held_out(cell, thing) for cell, thing in scene.things.items())


def random_thing(rng: random.Random) -> Thing:
    return Thing(rng.choice(COLOURS), rng.choice(KINDS))


def random_scene(rng: random.Random, low: int, high: int, *, held_out: bool = False) -> Scene:
    """A scene of `low` to `high` things. Only with `held_out` may it hold held-out combinations."""
    things: dict[str, Thing] = {}
    used: set[Thing] = set()
    for cell in rng.sample(CELLS, rng.randint(low, high)):
        thing = random_thing(rng)
        while thing in used or (is_held_out(cell, thing) and not held_out):
            thing = random_thing(rng)
        things[cell] = thing
        used.add(thing)
    return Scene(rng.choice(SETTINGS), things)


def random_place(rng: random.Random, scene: Scene, relational: float) -> Place:
    """A free place in the scene, told by relation with probability `relational` where one can be found."""
    if scene.things and rng.random() < relational:
        place = Place(relation=rng.choice(list(RELATIONS)), anchor=rng.choice(list(scene.things.values())))
        try:
            if place.on(scene) not in scene.things:
                return place
        except Impossible:
            pass  # off the picture: name a cell instead
    return Place(rng.choice([cell for cell in CELLS if cell not in scene.things]))


EDITS: tuple[type, ...] = (Add, Add, Add, Remove, Move, Move, Recolour, Turn, ChangeSetting)


def random_edit(rng: random.Random, scene: Scene, relational: float = 0.35) -> Edit:
    """An edit that can be carried out on `scene`."""
    while True:
        kind = rng.choice(EDITS)
        if kind is ChangeSetting:
            return ChangeSetting(rng.choice([setting for setting in SETTINGS if setting != scene.setting]))
        if kind is Add:
            edit: Edit = Add(random_thing(rng), random_place(rng, scene, relational))
        elif not scene.things:
            continue
        else:
            thing = rng.choice(list(scene.things.values()))
            if kind is Remove:
                return Remove(thing)
            if kind is Move:
                edit = Move(thing, random_place(rng, scene.replace(**{scene.find(thing) or "": None}), relational))
            elif kind is Recolour:
                edit = Recolour(thing, rng.choice([colour for colour in COLOURS if colour != thing.colour]))
            else:
                edit = Turn(thing, rng.choice([kind for kind in KINDS if kind != thing.kind]))
        try:
            apply(edit, scene)
        except Impossible:
            continue
        return edit


def examples(
    rng: random.Random, *, first: float = 0.3, held_out: bool = False, rarity: float = 0.0
) -> Iterator[Example]:
    """Endless examples; `first` is the share of first pictures. With `held_out`, every one ends in a held-out scene.
    All styles of wording alike, or the n-th as often as n ** -rarity."""
    while True:
        if rng.random() < first:
            before = None
            edit: Edit = Paint(random_scene(rng, 1, 3, held_out=held_out))
        else:
            before = random_scene(rng, 1, 6, held_out=held_out)
            edit = random_edit(rng, before)
        after = apply(edit, before)
        if has_held_out(after) is held_out:
            yield Example(before, edit, say_somehow(edit, rng, rarity=rarity), after)
