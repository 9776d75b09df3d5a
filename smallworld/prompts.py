"""The small world's drawing prompts: how an edit is said, in six styles, and read back.

Every kind of edit has one wording in each style. The styles are not equally common: whoever draws has met plain words
often and ornate ones rarely (`RARITY`, a power law as in any caption data), and is the less sure of them. People and
planners speak in all of them. `say` writes an edit, `parse` reads all that `say` can write, and nothing else.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

from smallworld.edits import (
    RELATIONS,
    Add,
    ChangeSetting,
    Edit,
    Move,
    Paint,
    Place,
    Recolour,
    Remove,
    Turn,
)
from smallworld.scene import CELLS, COLOURS, KINDS, SETTINGS, Scene, Thing


class Unreadable(ValueError):
    """The text is not a prompt of the small world."""


STYLES: tuple[str, ...] = ("plain", "casual", "lively", "inverted", "narrated", "ornate")
"""The wording families, the commonest first."""

RARITY = 4.0
"""The exponent of the power law by which styles get rarer: 93%, 6%, 1.1%, 0.4%, 0.15%, 0.07%."""

PLAIN = STYLES[0]
EMPTY = "nothing"
INSISTING = " and change nothing else"
INSISTING_FIRST = " and nothing else"
"""How a prompt ends that insists: an edit's, and a first picture's."""

WORDINGS: dict[type, tuple[str, ...]] = {
    Paint: (
        "{a_setting} scene with {things}",
        "draw {a_setting} scene with {things}",
        "let {a_setting} scene have {things}",
        "{things} in {a_setting} scene",
        "here is {a_setting} scene with {things}",
        "{placed} in {a_setting} scene",
    ),
    Add: (
        "add {a_thing} {place}",
        "put {a_thing} {place}",
        "let {a_thing} be {place}",
        "{place} add {a_thing}",
        "now there is {a_thing} {place}",
        "{place} is where {a_thing} comes",
    ),
    Remove: (
        "remove the {thing}",
        "take away the {thing}",
        "clear the {thing} away",
        "away with the {thing}",
        "now the {thing} is gone",
        "all is here but the {thing}",
    ),
    Move: (
        "move the {thing} {target}",
        "put the {thing} {place}",
        "bring the {thing} {target}",
        "{target} move the {thing}",
        "now the {thing} is {place}",
        "{place} is where the {thing} goes",
    ),
    Recolour: (
        "make the {thing} {colour}",
        "paint the {thing} {colour}",
        "let the {thing} be {colour}",
        "{colour} make the {thing}",
        "now the {thing} is {colour}",
        "{colour} is what the {thing} becomes",
    ),
    Turn: (
        "turn the {thing} into {a_kind}",
        "change the {thing} into {a_kind}",
        "let the {thing} be {a_kind}",
        "into {a_kind} turn the {thing}",
        "now the {thing} is {a_kind}",
        "{a_kind} is what the {thing} becomes",
    ),
    ChangeSetting: (
        "change the setting to {setting}",
        "make the setting {setting}",
        "let the setting be {setting}",
        "to {setting} change the setting",
        "now the setting is {setting}",
        "{setting} is what the setting becomes",
    ),
}
"""One wording for each kind of edit and style, in the order of STYLES."""

RELATION_WORDS: dict[str, tuple[str, ...]] = {
    "left of": ("left of",) * 6,
    "right of": ("right of",) * 6,
    "on top of": ("on top of", "above", "on top of", "on top of", "above", "above"),
    "below": ("below", "under", "below", "below", "under", "under"),
}
"""How each relation is said, in the order of STYLES."""


def article(words: object) -> str:
    """The words with the right indefinite article."""
    return f"{'an' if str(words)[0] in 'aeiou' else 'a'} {words}"


def _place(place: Place, style: str, at: str) -> str:
    if place.cell:
        return f"{at} {place.cell}"
    assert place.relation
    return f"{RELATION_WORDS[place.relation][STYLES.index(style)]} the {place.anchor}"


def say(edit: Edit, style: str = PLAIN, *, insisting: bool = False, order: Sequence[str] | None = None) -> str:
    """The edit in words. `insisting`: asks that nothing else change. `order`: of the cells in a first picture."""
    words: dict[str, object] = {}
    if isinstance(edit, Paint):
        things = [(edit.scene.things[cell], cell) for cell in order or edit.scene.things]
        words["a_setting"] = article(edit.scene.setting)
        words["things"] = " and ".join(f"{article(thing)} at {cell}" for thing, cell in things) or EMPTY
        words["placed"] = " and ".join(f"at {cell} {article(thing)}" for thing, cell in things) or EMPTY
    elif isinstance(edit, ChangeSetting):
        words["setting"] = edit.setting
    else:
        words = {"thing": edit.thing, "a_thing": article(edit.thing)}
        if isinstance(edit, Add | Move):
            words |= {"place": _place(edit.place, style, "at"), "target": _place(edit.place, style, "to")}
        words |= {"colour": getattr(edit, "colour", None), "a_kind": article(getattr(edit, "kind", "?"))}
    text = WORDINGS[type(edit)][STYLES.index(style)].format(**words)
    if not insisting:
        return text
    return text + (INSISTING_FIRST if isinstance(edit, Paint) else INSISTING)


def say_somehow(edit: Edit, rng: random.Random, *, rarity: float = 0.0, insisting: float = 0.1) -> str:
    """The edit in any style, the n-th as often as n ** -rarity (0: all alike); things in any order; insisting with the
    given probability."""
    style = rng.choices(STYLES, [rank**-rarity for rank in range(1, len(STYLES) + 1)])[0]
    order = rng.sample(list(edit.scene.things), len(edit.scene.things)) if isinstance(edit, Paint) else None
    return say(edit, style, insisting=rng.random() < insisting, order=order)


def wordings(edit: Edit) -> tuple[str, ...]:
    """Every wording of an edit that does not insist, the commonest first."""
    return tuple(say(edit, style) for style in STYLES)


_THING = rf"(?:{'|'.join(COLOURS)}) (?:{'|'.join(KINDS)})"
_CELL = rf"(?:{'|'.join(CELLS)})"
_SAID_RELATIONS = {said: relation for relation, words in RELATION_WORDS.items() for said in words}
_RELATION = rf"(?:{'|'.join(_SAID_RELATIONS)}) the {_THING}"
_PARTS = {
    "a_setting": rf"an? (?P<setting>{'|'.join(SETTINGS)})",
    "setting": rf"(?P<setting>{'|'.join(SETTINGS)})",
    "things": rf"(?P<things>{EMPTY}|an? {_THING} at {_CELL}(?: and an? {_THING} at {_CELL})*)",
    "placed": rf"(?P<placed>{EMPTY}|at {_CELL} an? {_THING}(?: and at {_CELL} an? {_THING})*)",
    "thing": rf"(?P<thing>{_THING})",
    "a_thing": rf"an? (?P<thing>{_THING})",
    "place": rf"(?P<place>at {_CELL}|{_RELATION})",
    "target": rf"(?P<place>to {_CELL}|{_RELATION})",
    "colour": rf"(?P<colour>{'|'.join(COLOURS)})",
    "a_kind": rf"an? (?P<kind>{'|'.join(KINDS)})",
}
_PATTERNS: tuple[tuple[type, str, re.Pattern[str]], ...] = tuple(
    (kind, style, re.compile(wording.format(**_PARTS)))
    for kind, wordings_of in WORDINGS.items()
    for style, wording in zip(STYLES, wordings_of, strict=True)
)


def read(text: str) -> tuple[Edit, str]:
    """The edit that a prompt asks for, and the style that it is said in. Raises Unreadable for any text that is no
    prompt."""
    plain = " ".join(text.lower().replace(".", " ").replace(",", " ").split())
    plain = re.sub(r" and (change )?nothing else$", "", plain)
    for kind, style, pattern in _PATTERNS:
        if found := pattern.fullmatch(plain):
            return _edit(kind, found.groupdict(), text), style
    raise Unreadable(f"not a prompt of the small world: {text!r}")


def parse(text: str) -> Edit:
    """The edit that a prompt asks for. Raises Unreadable for any text that is no prompt."""
    return read(text)[0]


def style_of(text: str) -> str:
    """The style of a prompt. Raises Unreadable."""
    return read(text)[1]


def _thing(words: str) -> Thing:
    return Thing(*words.split())


def _read_place(words: str) -> Place:
    if words.startswith(("at ", "to ")):
        return Place(words[3:])
    said, _, anchor = words.partition(" the ")
    return Place(relation=_SAID_RELATIONS[said], anchor=_thing(anchor))


def _edit(kind: type, parts: dict[str, Any], text: str) -> Edit:
    if kind is ChangeSetting:
        return ChangeSetting(parts["setting"])
    if kind is Paint:
        if "things" in parts:
            placed = [(_thing(words), cell) for words, cell in re.findall(rf"({_THING}) at ({_CELL})", parts["things"])]
        else:
            found = re.findall(rf"at ({_CELL}) an? ({_THING})", parts["placed"])
            placed = [(_thing(words), cell) for cell, words in found]
        things = {cell: thing for thing, cell in placed}
        if len(things) < len(placed) or len(set(things.values())) < len(placed):
            raise Unreadable(f"a cell or a thing is named twice: {text!r}")
        return Paint(Scene(parts["setting"], things))
    thing = _thing(parts["thing"])
    if kind is Add:
        return Add(thing, _read_place(parts["place"]))
    if kind is Move:
        return Move(thing, _read_place(parts["place"]))
    if kind is Recolour:
        return Recolour(thing, parts["colour"])
    return Turn(thing, parts["kind"]) if kind is Turn else Remove(thing)


def vocabulary() -> tuple[str, ...]:
    """Every word that a prompt can hold, sorted."""
    words = {*COLOURS, *KINDS, *SETTINGS, *CELLS, EMPTY, "a", "an", "and", "at", "to", "the"}
    texts = [wording for wordings_of in WORDINGS.values() for wording in wordings_of]
    for text in (*RELATIONS, *_SAID_RELATIONS, INSISTING, INSISTING_FIRST, *texts):
        words |= {word for word in text.split() if not word.startswith("{")}
    return tuple(sorted(words))
