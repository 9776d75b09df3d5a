"""Picture stories: the wish fits after "a story about"."""

from __future__ import annotations

from smallworld.edits import Add, ChangeSetting, Move, Place, Remove, Turn
from smallworld.prompts import article
from smallworld.recipes.draft import (
    MOVERS,
    Draft,
    Told,
    above,
    left_of,
    listed,
    onward,
    side,
)
from smallworld.scene import COLOURS, KINDS, SETTINGS, Thing


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


STORIES = (
    voyage, nightfall, kite_flight, visit, treetop, drive, growing, thaw, lost_balloon, nectar, magic, traveller,
)  # fmt: skip
