"""What can be asked of a picture of the small world: a first picture, or one edit, carried out exactly.

A place is a cell or a relation to a thing in the picture. `apply` carries an edit out on a scene, so the judge of a
step is a computation, not an opinion. How edits are said in words is in `prompts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from smallworld.scene import Scene, Thing, cell_at, cell_column, cell_row


class Impossible(ValueError):
    """The edit cannot be carried out on this scene (no such thing, a cell taken, a place off the picture)."""


RELATIONS: dict[str, tuple[int, int]] = {"left of": (0, -1), "right of": (0, 1), "on top of": (-1, 0), "below": (1, 0)}
"""Relation -> (rows down, columns right) from the thing that is named."""


@dataclass(frozen=True)
class Place:
    """A cell, or the cell that stands in `relation` to the one which holds `anchor`."""

    cell: str | None = None
    relation: str | None = None
    anchor: Thing | None = None

    def on(self, scene: Scene) -> str:
        """The cell meant in `scene`. Raises Impossible."""
        if self.cell:
            return self.cell
        assert self.relation and self.anchor
        origin = scene.find(self.anchor) or _impossible(f"there is no {self.anchor}")
        down, right = RELATIONS[self.relation]
        return cell_at(cell_row(origin) + down, cell_column(origin) + right) or _impossible(
            f"{self.relation} the {self.anchor} is off the picture"
        )


@dataclass(frozen=True)
class Paint:
    scene: Scene


@dataclass(frozen=True)
class Add:
    thing: Thing
    place: Place


@dataclass(frozen=True)
class Remove:
    thing: Thing


@dataclass(frozen=True)
class Move:
    thing: Thing
    place: Place


@dataclass(frozen=True)
class Recolour:
    thing: Thing
    colour: str


@dataclass(frozen=True)
class Turn:
    """Change the kind and keep the colour."""

    thing: Thing
    kind: str


@dataclass(frozen=True)
class ChangeSetting:
    setting: str


Edit = Paint | Add | Remove | Move | Recolour | Turn | ChangeSetting


def _impossible(why: str) -> NoReturn:
    raise Impossible(why)


def apply(edit: Edit, scene: Scene | None) -> Scene:
    """The scene that `edit` asks for, given the scene before it (None: nothing yet, only Paint fits). Raises
    Impossible."""
    if isinstance(edit, Paint):
        return edit.scene
    if scene is None:
        _impossible("there is no picture to edit yet")
    if isinstance(edit, ChangeSetting):
        return scene.on(edit.setting)
    cell = scene.find(edit.thing)
    if isinstance(edit, Add):
        target = edit.place.on(scene)
        if cell or target in scene.things:
            _impossible(f"{edit.thing} is there already" if cell else f"{target} is taken")
        return scene.replace(**{target: edit.thing})
    if cell is None:
        _impossible(f"there is no {edit.thing}")
    if isinstance(edit, Remove):
        return scene.replace(**{cell: None})
    if isinstance(edit, Move):
        target = edit.place.on(scene)
        if target in scene.things:
            _impossible(f"{target} is taken")
        return scene.replace(**{cell: None, target: edit.thing})
    new = Thing(edit.colour, edit.thing.kind) if isinstance(edit, Recolour) else Thing(edit.thing.colour, edit.kind)
    if scene.find(new):
        _impossible(f"{new} is there already")
    return scene.replace(**{cell: new})


def resolve(edit: Edit, scene: Scene | None) -> Edit:
    """The same edit with its place named by cell: the clearest way to say it. Raises Impossible."""
    if isinstance(edit, Add | Move) and scene is not None:
        return type(edit)(edit.thing, Place(edit.place.on(scene)))
    return edit


def trail(edit: Edit, scene: Scene | None) -> tuple[str, ...]:
    """The cells that have to be found before the edit can be carried out, in that order: where its thing stands, where
    the thing stands that its place is told by, and where it leads. Empty where nothing has to be found."""
    if scene is None or isinstance(edit, Paint | ChangeSetting):
        return ()
    place = edit.place if isinstance(edit, Add | Move) else None
    found = [] if isinstance(edit, Add) else [scene.find(edit.thing)]
    if place:
        found += [scene.find(place.anchor) if place.anchor else None, place.on(scene)]
    return tuple(cell for cell in found if cell)
