"""Documents of the small world: 32 families of how-tos, picture stories and block manipulation, each with many
variations.

A family turns choices (colours, kinds, sides, settings) into a request in ordinary words, and the one document that
answers it: steps with a name, an instruction for the reader, a prompt for the generator, and the exact scene after
each. What a request leaves open, the family decides the same way every time, so that a plan can be checked by carrying
it out.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from smallworld.prompts import (
    Add,
    ChangeSetting,
    Edit,
    Move,
    Paint,
    Place,
    Recolour,
    Remove,
    Turn,
    apply,
    article,
    say,
)
from smallworld.sample import has_held_out
from smallworld.scene import CELLS, COLOURS, KINDS, SETTINGS, Scene, Thing


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
    """A document being laid out: choices are drawn and remembered, steps carried out as they are added."""

    rng: random.Random
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

    def step(self, name: str, instruction: str, edit: Edit, prompt: str | None = None) -> None:
        self.steps.append(RecipeStep(name, instruction, edit, apply(edit, self.scene), prompt or say(edit)))

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


# How-tos: the wish fits after "how do I".


def snowman(draft: Draft) -> Told:
    colour, (column, where) = draft.one(COLOURS), side(draft)
    guest = draft.one(["", "tree", "bird", "cat", "star"])
    body, head, hat = Thing("white", "snowball"), Thing("white", "head"), Thing(colour, "hat")
    draft.paint("body", "Roll a big snowball for the body.", "snow", **{f"{column}4": body})
    draft.step("head", "Set a smaller ball with a face on the body.", Add(head, above(body)))
    draft.step("hat", f"Put {article(hat)} on the head.", Add(hat, above(head)))
    extra = ""
    if guest:
        friend = Thing(draft.one(COLOURS), guest)
        draft.step(
            "friend",
            f"Give the snowman {article(friend)} as a friend.",
            Add(friend, Place("c4" if column != "c" else "a4")),
        )
        extra = f" and {article(friend)} next to it"
    return (
        f"draw a snowman with {article(hat)}{where}{extra}",
        f"build a snowman with {article(hat)}{where}{extra}",
        f"make a snowman{where} who wears {article(hat)}{extra}",
    )


def tower(draft: Draft) -> Told:
    colours = draft.pick(COLOURS, draft.rng.choice((2, 3, 3, 4)))
    setting, (column, where) = draft.one(("meadow", "table")), side(draft)
    place = " on the table" if setting == "table" else ""
    blocks = [Thing(colour, "block") for colour in colours]
    draft.paint("base", f"Start with the {blocks[0]}.", setting, **{f"{column}4": blocks[0]})
    for below, block in pairwise(blocks):
        draft.step("stack", f"Put the {block} on the {below}.", Add(block, above(below)))
    return (
        f"stack a tower of {listed([article(c) for c in colours])} block{place}{where}",
        f"build a tower{place}{where} from {listed(colours)} blocks, from the bottom up",
        f"pile up {listed(colours)} blocks{place}{where}, bottom first",
    )


def garden(draft: Draft) -> Told:
    colours = draft.pick(COLOURS, draft.rng.choice((2, 3)))
    sun = draft.one(("", "yellow", "orange", "red"))
    flowers = [Thing(colour, "flower") for colour in colours]
    draft.paint("first", f"Plant {article(flowers[0])}.", "meadow", a4=flowers[0])
    for before, flower in pairwise(flowers):
        draft.step("plant", f"Plant {article(flower)} beside it.", Add(flower, right_of(before)))
    if sun:
        draft.step("sun", f"Let {article(sun)} sun shine.", Add(Thing(sun, "sun"), Place("d1")))
    light = f" under {article(sun)} sun" if sun else ""
    return (
        f"plant a garden with {listed(colours)} flowers{light}",
        f"make a flower bed with {listed([article(c) for c in colours])} flower{light}",
        f"grow {listed(colours)} flowers in a row{light}",
    )


def lay_table(draft: Draft) -> Told:
    plate, cup = Thing(draft.one(COLOURS), "plate"), Thing(draft.one(COLOURS), "cup")
    fruit = draft.one(("", *COLOURS))
    draft.paint("plate", f"Put {article(plate)} on the table.", "table", b4=plate)
    draft.step("cup", f"Set {article(cup)} to the right of the plate.", Add(cup, right_of(plate)))
    extra = ""
    if fruit:
        apple = Thing(fruit, "apple")
        draft.step("apple", f"Lay {article(apple)} to the left of the plate.", Add(apple, left_of(plate)))
        extra = f" and {article(apple)}"
    return (
        f"lay the table with {article(plate)} and {article(cup)}{extra}",
        f"set a table for one with {article(plate)}, {article(cup)}{extra}",
        f"get the table ready with {article(cup)}, {article(plate)}{extra}",
    )


def house_scene(draft: Draft) -> Told:
    house, tree = Thing(draft.one(COLOURS), "house"), Thing(draft.one(COLOURS), "tree")
    setting, sky = draft.one(("meadow", "snow", "beach")), draft.one(("sun", "cloud", "bird"))
    above_it = Thing(draft.one(COLOURS), sky)
    draft.paint("house", f"Draw {article(house)}.", setting, b4=house)
    draft.step("tree", f"Draw {article(tree)} to the right of the house.", Add(tree, right_of(house)))
    draft.step("sky", f"Draw {article(above_it)} high up.", Add(above_it, Place("a1")))
    where = {"meadow": "in a meadow", "snow": "in the snow", "beach": "on the beach"}[setting]
    return (
        f"draw {article(house)} {where} with {article(tree)} and {article(above_it)}",
        f"paint {article(house)}, {article(tree)} and {article(above_it)} {where}",
        f"sketch a scene {where} with {article(house)}, {article(tree)} and {article(above_it)}",
    )


def night_sky(draft: Draft) -> Told:
    moon, stars = Thing(draft.one(COLOURS), "moon"), [Thing(c, "star") for c in draft.pick(COLOURS, 2)]
    draft.paint("moon", f"Begin with {article(moon)} at night.", "night", b1=moon)
    draft.step("star", f"Add {article(stars[0])} to the right of the moon.", Add(stars[0], right_of(moon)))
    draft.step("star", f"Add {article(stars[1])} below the moon.", Add(stars[1], under(moon)))
    names = listed([article(star) for star in stars])
    return (f"draw a night sky with {article(moon)}, {names}", f"paint {article(moon)} with {names} at night")


def sea(draft: Draft) -> Told:
    boat, fish = Thing(draft.one(COLOURS), "boat"), [Thing(c, "fish") for c in draft.pick(COLOURS, 2)]
    draft.paint("boat", f"Draw {article(boat)} on the water.", "beach", b2=boat)
    draft.step("fish", f"Draw {article(fish[0])} below the boat.", Add(fish[0], under(boat)))
    draft.step("fish", f"Draw {article(fish[1])} to the right of it.", Add(fish[1], right_of(fish[0])))
    names = listed([article(one) for one in fish])
    return (f"draw {article(boat)} with {names} under it", f"paint a sea picture with {article(boat)}, {names}")


def balloons(draft: Draft) -> Told:
    colours = draft.pick(COLOURS, draft.rng.choice((2, 3, 3)))
    bunch = [Thing(colour, "balloon") for colour in colours]
    draft.paint("balloon", f"Let {article(bunch[0])} fly.", "meadow", a2=bunch[0])
    for before, balloon in pairwise(bunch):
        draft.step("balloon", f"Add {article(balloon)} to the right.", Add(balloon, right_of(before)))
    return (
        f"draw a row of {listed(colours)} balloons",
        f"decorate a meadow with {listed(colours)} balloons",
        f"paint {listed([article(balloon) for balloon in bunch])} in the sky",
    )


def wall(draft: Draft) -> Told:
    colours, setting = draft.pick(COLOURS, 4), draft.one(("meadow", "table", "snow"))
    first, second, third, fourth = (Thing(colour, "block") for colour in colours)
    draft.paint("first", f"Lay the {first}.", setting, b4=first)
    draft.step("second", f"Lay the {second} to its right.", Add(second, right_of(first)))
    draft.step("third", f"Put the {third} on the {first}.", Add(third, above(first)))
    draft.step("fourth", f"Put the {fourth} on the {second}.", Add(fourth, above(second)))
    where = {"meadow": "in a meadow", "table": "on the table", "snow": "in the snow"}[setting]
    return (
        f"build a wall of {listed(colours)} blocks {where}",
        f"make a small wall {where}, two blocks wide, with {listed(colours)} blocks",
    )


def picnic(draft: Draft) -> Told:
    tree, plate = Thing(draft.one(COLOURS), "tree"), Thing(draft.one(COLOURS), "plate")
    cup = Thing(draft.one(COLOURS), "cup")
    draft.paint("tree", f"Find {article(tree)} in a meadow.", "meadow", a3=tree)
    draft.step("plate", f"Put {article(plate)} under the tree.", Add(plate, under(tree)))
    draft.step("cup", f"Set {article(cup)} beside the plate.", Add(cup, right_of(plate)))
    return (
        f"set up a picnic under {article(tree)} with {article(plate)} and {article(cup)}",
        f"have a picnic with {article(plate)} and {article(cup)} under {article(tree)}",
    )


def park(draft: Draft) -> Told:
    tree, cat = Thing(draft.one(COLOURS), "tree"), Thing(draft.one(COLOURS), "cat")
    bird = Thing(draft.one(COLOURS), "bird")
    draft.paint("tree", f"Draw {article(tree)}.", "meadow", c3=tree)
    draft.step("bird", f"Draw {article(bird)} on top of the tree.", Add(bird, above(tree)))
    draft.step("cat", f"Draw {article(cat)} to the left of the tree.", Add(cat, left_of(tree)))
    return (
        f"draw {article(bird)} on {article(tree)} and {article(cat)} beside it",
        f"draw a park with {article(tree)}, {article(bird)} and {article(cat)}",
    )


def mushrooms(draft: Draft) -> Told:
    caps = [Thing(colour, "mushroom") for colour in draft.pick(COLOURS, 2)]
    tree, guest = Thing(draft.one(COLOURS), "tree"), Thing(draft.one(COLOURS), "butterfly")
    draft.paint("tree", f"Draw {article(tree)} in a meadow.", "meadow", b3=tree)
    draft.step("mushroom", f"Draw {article(caps[0])} below the tree.", Add(caps[0], under(tree)))
    draft.step("mushroom", f"Draw {article(caps[1])} to the right of it.", Add(caps[1], right_of(caps[0])))
    draft.step("butterfly", f"Let {article(guest)} fly above the tree.", Add(guest, above(tree)))
    names = listed([article(cap) for cap in caps])
    return (f"draw a forest with {article(tree)}, {names} and {article(guest)}",)


# Picture stories: the wish fits after "a story about".


def voyage(draft: Draft) -> Told:
    boat, sun = Thing(draft.one(COLOURS), "boat"), Thing(draft.one(("yellow", "orange", "red")), "sun")
    draft.paint(
        "start", f"{article(boat).capitalize()} leaves the shore while the sun is high.", "beach", a3=boat, d1=sun
    )
    draft.step("sail", "The boat sails out.", onward(draft, boat, "right of"))
    draft.step("sunset", "The sun goes down.", onward(draft, sun, "below"))
    draft.step("sail", "The boat sails on.", onward(draft, boat, "right of"))
    draft.step("night", "Night falls.", ChangeSetting("night"))
    return (
        f"{article(boat)} that crosses the sea while the {sun} sets",
        f"{article(boat)} on a voyage until night, with {article(sun)}",
    )


def nightfall(draft: Draft) -> Told:
    house, moon = Thing(draft.one(COLOURS), "house"), Thing(draft.one(("white", "yellow", "orange", "blue")), "moon")
    sun, star = Thing("yellow", "sun"), Thing(draft.one(COLOURS), "star")
    draft.paint("day", f"The sun shines on {article(house)}.", "meadow", b4=house, d1=sun)
    draft.step("sunset", "The sun is gone.", Remove(sun))
    draft.step("night", "It gets dark.", ChangeSetting("night"))
    draft.step("moon", f"{article(moon).capitalize()} rises.", Add(moon, Place("c1")))
    draft.step("star", f"{article(star).capitalize()} appears beside it.", Add(star, left_of(moon)))
    return (
        f"how night comes to {article(house)}, with {article(moon)} and {article(star)}",
        f"{article(house)} from day to night, with {article(moon)} and {article(star)} at the end",
    )


def kite_flight(draft: Draft) -> Told:
    kite, (column, where) = Thing(draft.one(COLOURS), "kite"), side(draft)
    setting = draft.one(("meadow", "beach"))
    draft.paint("ground", f"{article(kite).capitalize()} lies on the ground.", setting, **{f"{column}4": kite})
    draft.step("up", "The wind lifts it.", onward(draft, kite, "on top of"))
    draft.step("higher", "It climbs higher.", onward(draft, kite, "on top of"))
    draft.step("top", "It flies at the top of the sky.", onward(draft, kite, "on top of"))
    place = "on the beach" if setting == "beach" else "in a meadow"
    return (f"{article(kite)} that rises into the sky {place}{where}", f"flying {article(kite)} {place}{where}")


def visit(draft: Draft) -> Told:
    who, home = Thing(draft.one(COLOURS), draft.one(("cat", "bird", "butterfly"))), Thing(draft.one(COLOURS), "house")
    setting = draft.one(("meadow", "snow"))
    draft.paint("start", f"{article(who).capitalize()} sees {article(home)}.", setting, a4=who, d4=home)
    draft.step("closer", f"The {who.kind} comes closer.", onward(draft, who, "right of"))
    draft.step("arrive", f"The {who.kind} arrives at the house.", Move(who, left_of(home)))
    place = " in the snow" if setting == "snow" else ""
    return (f"{article(who)} that visits {article(home)}{place}", f"how {article(who)} goes to {article(home)}{place}")


def treetop(draft: Draft) -> Told:
    bird, tree = Thing(draft.one(COLOURS), "bird"), Thing(draft.one(COLOURS), "tree")
    draft.paint(
        "start", f"{article(bird).capitalize()} sits on the ground near {article(tree)}.", "meadow", a4=bird, c4=tree
    )
    draft.step("near", "The bird hops to the tree.", Move(bird, left_of(tree)))
    draft.step("top", "The bird flies to the top of the tree.", Move(bird, above(tree)))
    return (f"{article(bird)} that flies to the top of {article(tree)}", f"{article(bird)} and {article(tree)}")


def drive(draft: Draft) -> Told:
    car, setting = Thing(draft.one(COLOURS), "car"), draft.one(("meadow", "snow", "night"))
    draft.paint("start", f"{article(car).capitalize()} starts on the left.", setting, a4=car)
    for name in ("drive", "drive", "arrive"):
        draft.step(
            name, "The car drives on." if name == "drive" else "The car arrives.", onward(draft, car, "right of")
        )
    place = {"meadow": "through a meadow", "snow": "through the snow", "night": "at night"}[setting]
    return (f"{article(car)} that drives {place}", f"a trip in {article(car)} {place}")


def growing(draft: Draft) -> Told:
    colour, guest = draft.one(COLOURS), Thing(draft.one(COLOURS), draft.one(("bird", "butterfly", "kite")))
    seed, tree = Thing(colour, "flower"), Thing(colour, "tree")
    draft.paint("flower", f"{article(seed).capitalize()} grows in a meadow.", "meadow", b3=seed)
    draft.step("tree", "It grows into a tree.", Turn(seed, "tree"))
    draft.step("guest", f"{article(guest).capitalize()} comes to the top.", Add(guest, above(tree)))
    return (
        f"{article(seed)} that becomes a tree and gets {article(guest)} as a guest",
        f"how {article(seed)} grows into a tree where {article(guest)} comes",
    )


def thaw(draft: Draft) -> Told:
    flower, ball = Thing(draft.one(COLOURS), "flower"), Thing("white", "snowball")
    (column, where) = side(draft)
    draft.paint("winter", "A snowball lies in the snow.", "snow", **{f"{column}4": ball})
    draft.step("spring", "Spring comes.", ChangeSetting("meadow"))
    draft.step("melt", "The snowball melts.", Remove(ball))
    draft.step("flower", f"{article(flower).capitalize()} grows in its place.", Add(flower, Place(f"{column}4")))
    return (
        f"a snowball{where} that melts until {article(flower)} grows",
        f"spring, when the snow melts{where} and {article(flower)} grows",
    )


def lost_balloon(draft: Draft) -> Told:
    balloon, (column, where) = Thing(draft.one(COLOURS), "balloon"), side(draft)
    friend = Thing(draft.one(COLOURS), "cat")
    corner = "c4" if column != "c" else "a4"
    draft.paint(
        "hold",
        f"{article(friend).capitalize()} has {article(balloon)}.",
        "meadow",
        **{f"{column}3": balloon, corner: friend},
    )
    draft.step("up", "The balloon flies up.", onward(draft, balloon, "on top of"))
    draft.step("higher", "It flies higher.", onward(draft, balloon, "on top of"))
    draft.step("gone", "The balloon is gone.", Remove(balloon))
    return (
        f"{article(friend)} that loses {article(balloon)}{where}",
        f"{article(balloon)}{where} that flies away from {article(friend)}",
    )


def nectar(draft: Draft) -> Told:
    guest, flowers = Thing(draft.one(COLOURS), "butterfly"), [Thing(c, "flower") for c in draft.pick(COLOURS, 2)]
    draft.paint("start", "Two flowers wait in a meadow.", "meadow", a4=flowers[0], d4=flowers[1])
    draft.step("first", f"{article(guest).capitalize()} comes to the {flowers[0]}.", Add(guest, above(flowers[0])))
    draft.step("second", f"It flies to the {flowers[1]}.", Move(guest, above(flowers[1])))
    names = listed([article(flower) for flower in flowers])
    return (f"{article(guest)} that visits {names}", f"how {article(guest)} flies between {names}")


def magic(draft: Draft) -> Told:
    first, second, third = draft.pick(KINDS, 3)
    colour, setting = draft.one(COLOURS), draft.one(SETTINGS)
    start = Thing(colour, first)
    draft.paint("start", f"Here is {article(start)}.", setting, b3=start)
    draft.step("magic", f"It becomes {article(second)}.", Turn(start, second))
    draft.step("magic", f"It becomes {article(third)}.", Turn(Thing(colour, second), third))
    place = f"on {article(setting)}" if setting == "table" else f"in the {setting}"
    return (
        f"{article(start)} {place} that turns into {article(second)} and then {article(third)}",
        f"magic {place}: {article(start)} becomes {article(second)}, then {article(third)}",
    )


def traveller(draft: Draft) -> Told:
    who, route = Thing(draft.one(COLOURS), draft.one(MOVERS)), draft.pick(("meadow", "beach", "snow", "night"), 3)
    names = {"meadow": "the meadow", "beach": "the beach", "snow": "the snow", "night": "the night"}
    draft.paint("start", f"{article(who).capitalize()} is at {names[route[0]]}.", route[0], b3=who)
    draft.step("travel", f"It travels to {names[route[1]]}.", ChangeSetting(route[1]))
    draft.step("travel", f"It reaches {names[route[2]]}.", ChangeSetting(route[2]))
    path = [names[place] for place in route]
    return (
        f"{article(who)} that travels from {path[0]} to {path[1]} and {path[2]}",
        f"the trip of {article(who)}: {listed(path)}",
    )


# Manipulation: the wish is an order, and says what lies where.


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
    named = " and ".join(f"{article(thing)} at {cell}" for thing, cell in zip(things, cells, strict=True))
    scene = Scene(setting, dict(zip(cells, things, strict=True)))
    draft.step("start", f"This is the start {place}.", Paint(scene), f"{article(setting)} scene with {named}")
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


class Unfit(Exception):
    """The choices do not fit each other; draw others."""


HOW_TO = (
    snowman, tower, garden, lay_table, house_scene, night_sky, sea, balloons, wall, picnic, park, mushrooms,
)  # fmt: skip
STORIES = (
    voyage, nightfall, kite_flight, visit, treetop, drive, growing, thaw, lost_balloon, nectar, magic, traveller,
)  # fmt: skip
MANIPULATION = (move_one, move_two, stack, beside, sort_row, swap, clear, repaint)
FAMILIES: dict[str, tuple[str, Callable[[Draft], Told]]] = {
    family.__name__: (genre, family)
    for genre, families in (("how-to", HOW_TO), ("story", STORIES), ("manipulation", MANIPULATION))
    for family in families
}

WRAPPINGS: dict[str, tuple[str, ...]] = {
    "how-to": (
        "How do I {wish}, step by step?", "How do I {wish}?", "Show me how to {wish}.",
        "Please explain how to {wish}, with pictures.", "Make a picture guide: {wish}.",
        "I would like to {wish}. What are the steps?", "{wish}", "Can you show me how to {wish} in a few steps?",
    ),
    "story": (
        "Tell me a story about {wish}.", "Tell a picture story about {wish}.", "Make a picture book about {wish}.",
        "A short story in pictures: {wish}.", "Please draw a story about {wish} for my child.", "Story: {wish}",
    ),
    "manipulation": (
        "{wish}.", "{wish}, please.", "Plan this: {wish}.", "Show each step: {wish}.", "Robot task: {wish}.",
    ),
}  # fmt: skip


def compose(rng: random.Random, family: str | None = None) -> Recipe:
    """A recipe of the family (any family without one), held out or not."""
    name = family or rng.choice(list(FAMILIES))
    genre, lay_out = FAMILIES[name]
    while True:
        draft = Draft(rng)
        try:
            told = lay_out(draft)
        except (Unfit, ValueError):
            continue  # these choices cannot be laid out: a place is taken or off the picture
        request = rng.choice(WRAPPINGS[genre]).format(wish=rng.choice(told))
        variation = " ".join([name, *draft.choices])
        return Recipe(name, genre, request[0].upper() + request[1:], variation, tuple(draft.steps))


def recipe(rng: random.Random, *, held_out: bool, family: str | None = None) -> Recipe:
    """A recipe that is, or is not, kept from training."""
    while True:
        made = compose(rng, family)
        if made.held_out is held_out:
            return made
