"""Block manipulation: the wish is an order, and says what lies where."""

from __future__ import annotations

from smallworld.edits import Move, Paint, Place, Recolour, Remove
from smallworld.prompts import article
from smallworld.recipes.draft import (
    Draft,
    Told,
    Unfit,
    above,
    left_of,
    listed,
    right_of,
)
from smallworld.scene import CELLS, COLOURS, Scene, Thing


def laid_out(
    draft: Draft, count: int, kinds: tuple[str, ...] = ("block", "cup", "ball", "plate", "apple", "hat")
) -> tuple[list[Thing], list[str], str, str]:
    """Things at random cells: (things, cells, setting, the words that say so)."""
    setting = draft.one(("table", "table", "meadow", "snow"))
    things: list[Thing] = []
    while len(things) < count:
        thing = Thing(draft.rng.choice(COLOURS), draft.rng.choice(kinds))
        if thing not in things:
            things.append(thing)
    draft.choices += map(str, things)
    cells = draft.pick(CELLS, count)
    place = {"table": "on the table", "meadow": "in the meadow", "snow": "in the snow"}[setting]
    words = f"{listed([f'{article(thing)} at {cell}' for thing, cell in zip(things, cells, strict=True)])} {place}"
    # The prompt names the things in the request's order: a plan has to say what is there, not to sort it.
    scene = Scene(setting, dict(zip(cells, things, strict=True)))
    draft.step("start", f"This is the start {place}.", Paint(scene), order=cells)
    return things, cells, setting, words


def orders(words: str, *wishes: str) -> Told:
    return tuple(
        form.format(words, wish)
        for wish in wishes
        for form in ("there is {0}. {1}", "given {0}, {1}", "start with {0}, then {1}")
    )


def free_cells(draft: Draft, count: int) -> list[str]:
    assert draft.scene
    return draft.pick([cell for cell in CELLS if cell not in draft.scene.things], count)


def move_one(draft: Draft) -> Told:
    things, _, _, words = laid_out(draft, draft.rng.choice((1, 2)))
    (target,) = free_cells(draft, 1)
    draft.step("move", f"Move the {things[0]} to {target}.", Move(things[0], Place(target)))
    return orders(words, f"move the {things[0]} to {target}", f"bring the {things[0]} to {target}")


def move_two(draft: Draft) -> Told:
    things, _, _, words = laid_out(draft, 2)
    targets = free_cells(draft, 2)
    for thing, target in zip(things, targets, strict=True):
        draft.step("move", f"Move the {thing} to {target}.", Move(thing, Place(target)))
    return orders(words, f"move the {things[0]} to {targets[0]} and the {things[1]} to {targets[1]}")


def stack(draft: Draft) -> Told:
    draft_things = laid_out(draft, 2, ("block", "cup", "ball", "plate"))
    things, cells, _, words = draft_things
    if cells[1].endswith("1") or cells[0] == cells[1][0] + str(int(cells[1][1]) - 1):
        raise Unfit
    draft.step("stack", f"Put the {things[0]} on the {things[1]}.", Move(things[0], above(things[1])))
    return orders(words, f"stack the {things[0]} on the {things[1]}", f"put the {things[0]} on top of the {things[1]}")


def beside(draft: Draft) -> Told:
    things, _, _, words = laid_out(draft, 2)
    where, place = draft.rng.choice((("left", left_of), ("right", right_of)))
    draft.choices.append(where)
    draft.step("move", f"Put the {things[0]} {where} of the {things[1]}.", Move(things[0], place(things[1])))
    return orders(
        words,
        f"put the {things[0]} to the {where} of the {things[1]}",
        f"move the {things[0]} {where} of the {things[1]}",
    )


def sort_row(draft: Draft) -> Told:
    things, cells, _, words = laid_out(draft, draft.rng.choice((2, 3)), ("block", "ball", "cup"))
    if any(cell.endswith("4") for cell in cells):
        raise Unfit
    for thing, column in zip(things, "abc", strict=False):
        draft.step("sort", f"Move the {thing} to {column}4.", Move(thing, Place(f"{column}4")))
    return orders(
        words,
        f"put {listed([f'the {thing}' for thing in things])} in a row at the bottom",
        "line them up at the bottom from the left",
    )


def swap(draft: Draft) -> Told:
    things, cells, _, words = laid_out(draft, 2)
    spare = "b2" if "b2" not in cells else "c3"
    if spare in cells:
        raise Unfit
    draft.step("aside", f"Move the {things[0]} out of the way.", Move(things[0], Place(spare)))
    draft.step("swap", f"Move the {things[1]} to the empty place.", Move(things[1], Place(cells[0])))
    draft.step("swap", f"Move the {things[0]} to the other place.", Move(things[0], Place(cells[1])))
    return orders(words, f"swap the {things[0]} and the {things[1]}", "swap the two")


def clear(draft: Draft) -> Told:
    things, _, _, words = laid_out(draft, draft.rng.choice((2, 3)))
    for thing in things:
        draft.step("clear", f"Take away the {thing}.", Remove(thing))
    return orders(words, "clear everything away", "take everything away, one after the other")


def repaint(draft: Draft) -> Told:
    things, _, _, words = laid_out(draft, draft.rng.choice((1, 2)))
    colour = draft.one(COLOURS)
    if any(thing.colour == colour for thing in things) or len({thing.kind for thing in things}) < len(things):
        raise Unfit
    for thing in things:
        draft.step("paint", f"Paint the {thing} {colour}.", Recolour(thing, colour))
    return orders(words, f"paint everything {colour}", f"make it all {colour}")


MANIPULATION = (move_one, move_two, stack, beside, sort_row, swap, clear, repaint)
