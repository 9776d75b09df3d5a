"""The drawing prompts: every wording is read back, edits are carried out exactly, and what cannot be done says so."""

from __future__ import annotations

import random

import pytest

from smallworld.edits import Add, ChangeSetting, Impossible, Move, Paint, Place, Recolour, Remove, Turn, apply, resolve
from smallworld.prompts import STYLES, Unreadable, parse, say, style_of, vocabulary, wordings
from smallworld.sample import examples, has_held_out, random_edit, random_scene
from smallworld.scene import Scene, Thing

RED_BLOCK, BLUE_CUP, GREEN_HAT = Thing("red", "block"), Thing("blue", "cup"), Thing("green", "hat")
SCENE = Scene("table", {"b3": RED_BLOCK, "d4": BLUE_CUP})


@pytest.mark.parametrize(
    ("edit", "after"),
    [
        (Add(GREEN_HAT, Place("a1")), {"a1": GREEN_HAT, "b3": RED_BLOCK, "d4": BLUE_CUP}),
        (
            Add(GREEN_HAT, Place(relation="on top of", anchor=RED_BLOCK)),
            {"b2": GREEN_HAT, "b3": RED_BLOCK, "d4": BLUE_CUP},
        ),
        (
            Add(GREEN_HAT, Place(relation="left of", anchor=BLUE_CUP)),
            {"b3": RED_BLOCK, "c4": GREEN_HAT, "d4": BLUE_CUP},
        ),
        (Remove(RED_BLOCK), {"d4": BLUE_CUP}),
        (Move(RED_BLOCK, Place("a4")), {"a4": RED_BLOCK, "d4": BLUE_CUP}),
        (Move(RED_BLOCK, Place(relation="on top of", anchor=BLUE_CUP)), {"d3": RED_BLOCK, "d4": BLUE_CUP}),
        (Recolour(RED_BLOCK, "white"), {"b3": Thing("white", "block"), "d4": BLUE_CUP}),
        (Turn(RED_BLOCK, "apple"), {"b3": Thing("red", "apple"), "d4": BLUE_CUP}),
    ],
)
def test_edits_are_carried_out_exactly(edit, after):
    assert apply(edit, SCENE) == Scene("table", after)
    said = [say(edit, style, insisting=insisting) for style in STYLES for insisting in (False, True)]
    assert all(apply(parse(words), SCENE) == Scene("table", after) for words in said)
    assert [style_of(words) for words in wordings(edit)] == list(STYLES)
    assert apply(resolve(edit, SCENE), SCENE) == Scene("table", after)


def test_a_setting_and_a_first_picture():
    assert apply(ChangeSetting("night"), SCENE) == SCENE.on("night")
    assert apply(parse(say(Paint(SCENE))), None) == SCENE
    assert apply(parse("a snow scene with nothing"), None) == Scene("snow")


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (Add(RED_BLOCK, Place("a1")), "there already"),
        (Add(GREEN_HAT, Place("b3")), "is taken"),
        (Add(GREEN_HAT, Place(relation="below", anchor=BLUE_CUP)), "off the picture"),
        (Add(BLUE_CUP, Place(relation="below", anchor=GREEN_HAT)), "there is no green hat"),
        (Remove(GREEN_HAT), "there is no green hat"),
        (Move(RED_BLOCK, Place("d4")), "is taken"),
        (Recolour(GREEN_HAT, "red"), "there is no green hat"),
    ],
)
def test_what_cannot_be_done_says_why(edit, why):
    with pytest.raises(Impossible, match=why):
        apply(edit, SCENE)


@pytest.mark.parametrize(
    "text", ["", "a red block", "add a pink block at a1", "add a red block at e5", "move it", "§" * 50]
)
def test_other_texts_are_unreadable(text):
    with pytest.raises(Unreadable):
        parse(text)


def test_every_sampled_prompt_reads_back_and_uses_known_words():
    rng, known = random.Random(5), set(vocabulary())
    stream = examples(rng)
    for _ in range(2000):
        example = next(stream)
        assert parse(example.prompt) == example.edit
        assert set(example.prompt.split()) <= known
        assert apply(example.edit, example.before) == example.after
        assert not has_held_out(example.after)


def test_held_out_examples_show_something_held_out():
    stream = examples(random.Random(6), held_out=True)
    assert all(has_held_out(next(stream).after) for _ in range(50))


def test_random_edits_can_always_be_carried_out():
    rng = random.Random(7)
    for _ in range(500):
        scene = random_scene(rng, 0, 8)
        apply(random_edit(rng, scene), scene)
