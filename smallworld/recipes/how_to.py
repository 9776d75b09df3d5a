"""How-tos: the wish fits after "how do I"."""

from __future__ import annotations

from itertools import pairwise

from smallworld.edits import Add, Place
from smallworld.prompts import article
from smallworld.recipes.draft import (
    Draft,
    Told,
    above,
    left_of,
    listed,
    right_of,
    side,
    under,
)
from smallworld.scene import COLOURS, Thing


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


HOW_TO = (
    snowman, tower, garden, lay_table, house_scene, night_sky, sea, balloons, wall, picnic, park, mushrooms,
)  # fmt: skip
