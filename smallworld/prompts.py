"""The small world's drawing prompts: what the generator can be told, said in several wordings, read back, and carried
out exactly.

A first picture is painted from a description; every later step is one edit. A place is a cell ("at b2") or a relation
to a thing in the picture ("on top of the red block"). `say` writes an edit, `parse` reads every wording that `say`
writes (and only those), `apply` carries it out on a scene. The judge of a step is therefore a computation, not an
opinion.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import NoReturn

from smallworld.scene import CELLS, COLOURS, KINDS, SETTINGS, Scene, Thing, cell_at, cell_column, cell_row


class Unreadable(ValueError):
    """The text is not a prompt of the small world."""


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

    def __str__(self) -> str:
        return f"at {self.cell}" if self.cell else f"{self.relation} the {self.anchor}"

    def on(self, scene: Scene) -> str:
        """The cell meant in `scene`. Raises Impossible."""
        if self.cell:
            return self.cell
        assert self.relation and self.anchor
        origin = scene.find(self.anchor) or _impossible(f"there is no {self.anchor}")
        down, right = RELATIONS[self.relation]
        return cell_at(cell_row(origin) + down, cell_column(origin) + right) or _impossible(
            f"{self} is off the picture"
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


def article(words: object) -> str:
    """The words with the right indefinite article."""
    return f"{'an' if str(words)[0] in 'aeiou' else 'a'} {words}"


WORDINGS: dict[type, tuple[str, ...]] = {
    Paint: ("{setting} scene with {things}", "draw {setting} scene with {things}"),
    Add: ("add {a_thing} {place}", "put {a_thing} {place}", "draw {a_thing} {place}"),
    Remove: ("remove the {thing}", "take away the {thing}"),
    Move: ("move the {thing} {target}", "put the {thing} {place}"),
    Recolour: ("make the {thing} {colour}", "paint the {thing} {colour}"),
    Turn: ("turn the {thing} into {a_kind}", "change the {thing} into {a_kind}"),
    ChangeSetting: ("change the setting to {setting}", "make the setting {setting}"),
}
INSISTING: dict[type, str] = {Paint: " and nothing else"}
"""How a prompt insists after a failed attempt; edits use the default in `insist`."""
EMPTY = "nothing"


def wordings(edit: Edit) -> tuple[str, ...]:
    """Every wording of an edit; the first is the plain one."""
    words: dict[str, object] = {}
    if isinstance(edit, Paint):
        things = " and ".join(f"{article(thing)} at {cell}" for cell, thing in edit.scene.things.items()) or EMPTY
        words = {"setting": article(edit.scene.setting), "things": things}
    elif isinstance(edit, ChangeSetting):
        words = {"setting": edit.setting}
    else:
        place = getattr(edit, "place", None)
        target = f"to {place.cell}" if place and place.cell else place
        words = {"thing": edit.thing, "a_thing": article(edit.thing), "place": place, "target": target}
        words |= {"colour": getattr(edit, "colour", None), "a_kind": article(getattr(edit, "kind", "?"))}
    return tuple(wording.format(**words) for wording in WORDINGS[type(edit)])


def insist(edit: Edit) -> str:
    """The plain wording with an end that asks for nothing else to change."""
    return wordings(edit)[0] + INSISTING.get(type(edit), " and change nothing else")


def say(edit: Edit, rng: random.Random | None = None, insisting: float = 0.1) -> str:
    """A wording of the edit: the plain one without `rng`, else any, insisting with the given probability."""
    if rng is None:
        return wordings(edit)[0]
    if rng.random() < insisting:
        return insist(edit)
    if isinstance(edit, Paint) and len(edit.scene.things) > 1:
        # A description may name the things in any order.
        head, _, things = rng.choice(wordings(edit)).partition(" with ")
        parts = things.split(" and ")
        rng.shuffle(parts)
        return f"{head} with {' and '.join(parts)}"
    return rng.choice(wordings(edit))


_THING = rf"(?:{'|'.join(COLOURS)}) (?:{'|'.join(KINDS)})"
_CELL = rf"(?:{'|'.join(CELLS)})"
_THINGS = rf"nothing|an? {_THING} at {_CELL}(?: and an? {_THING} at {_CELL})*"
_PLACE = rf"(?P<place>(?:at|to) {_CELL}|(?:{'|'.join(RELATIONS)}) the {_THING})"
_PATTERNS: tuple[tuple[type, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (Paint, rf"(?:draw )?an? (?P<setting>{'|'.join(SETTINGS)}) scene with (?P<things>{_THINGS})"),
        (Add, rf"(?:add|put|draw|place) an? (?P<thing>{_THING}) {_PLACE}"),
        (Remove, rf"(?:remove|take away) the (?P<thing>{_THING})"),
        (Move, rf"(?:move|put) the (?P<thing>{_THING}) {_PLACE}"),
        (Recolour, rf"(?:make|paint) the (?P<thing>{_THING}) (?P<colour>{'|'.join(COLOURS)})"),
        (Turn, rf"(?:turn|change) the (?P<thing>{_THING}) into an? (?P<kind>{'|'.join(KINDS)})"),
        (ChangeSetting, rf"(?:change the setting to|make the setting) (?P<setting>{'|'.join(SETTINGS)})"),
    )
)  # fmt: skip


def _thing(words: str) -> Thing:
    return Thing(*words.split())


def _place(words: str) -> Place:
    if words.startswith(("at ", "to ")):
        return Place(words[3:])
    relation, _, anchor = words.partition(" the ")
    return Place(relation=relation, anchor=_thing(anchor))


def parse(text: str) -> Edit:
    """Read a prompt. Raises Unreadable for any text that is not one."""
    plain = " ".join(text.lower().replace(".", " ").replace(",", " ").split())
    plain = re.sub(r" and (change )?nothing else$", "", plain)
    for kind, pattern in _PATTERNS:
        if found := pattern.fullmatch(plain):
            return _edit(kind, found.groupdict(), text)
    raise Unreadable(f"not a prompt of the small world: {text!r}")


def _edit(kind: type, parts: dict[str, str], text: str) -> Edit:
    if kind is ChangeSetting:
        return ChangeSetting(parts["setting"])
    if kind is Paint:
        placed = re.findall(rf"({_THING}) at ({_CELL})", parts["things"])
        things = {cell: _thing(words) for words, cell in placed}
        if len(things) < len(placed) or len(set(things.values())) < len(placed):
            raise Unreadable(f"a cell or a thing is named twice: {text!r}")
        return Paint(Scene(parts["setting"], things))
    thing = _thing(parts["thing"])
    if kind in (Add, Move):
        return kind(thing, _place(parts["place"]))
    if kind is Recolour:
        return Recolour(thing, parts["colour"])
    return Turn(thing, parts["kind"]) if kind is Turn else Remove(thing)


def vocabulary() -> tuple[str, ...]:
    """Every word that a prompt can hold, sorted."""
    words = {
        *COLOURS,
        *KINDS,
        *SETTINGS,
        *CELLS,
        EMPTY,
        "a",
        "an",
        "and",
        "else",
        "change",
        "nothing",
        "place",
        "scene",
    }
    for text in (*RELATIONS, *(wording for all_ in WORDINGS.values() for wording in all_)):
        words |= {word for word in text.split() if not word.startswith("{")}
    return tuple(sorted(words | {"at", "the", "to"}))
