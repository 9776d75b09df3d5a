"""The documents: every family can be carried out, says what it means, and keeps its held-out part apart."""

from __future__ import annotations

import random

import pytest

from smallworld.edits import apply
from smallworld.prompts import parse
from smallworld.recipes import FAMILIES, compose, recipe
from smallworld.sample import has_held_out


def test_there_are_enough_families_of_every_genre():
    genres = [genre for genre, _ in FAMILIES.values()]
    assert len(genres) >= 20
    assert {"how-to", "story", "manipulation"} == set(genres)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_can_be_carried_out(family):
    rng = random.Random(family)
    requests = set()
    for _ in range(30):
        made = compose(rng, family)
        scene = None
        for step in made.steps:
            scene = apply(parse(step.prompt), scene)
            assert scene == step.after
        assert 2 <= len(made.steps) <= 8
        assert all(
            step.name and step.instruction[0].isupper() and step.instruction.endswith(".") for step in made.steps
        )
        requests.add(made.request)
    assert len(requests) > 20  # variations and wordings


def test_training_and_held_out_recipes_do_not_meet():
    rng = random.Random(3)
    trained = {recipe(rng, held_out=False).variation for _ in range(1500)}
    held = [recipe(rng, held_out=True) for _ in range(300)]
    assert not trained & {made.variation for made in held}
    for _ in range(200):
        assert not any(has_held_out(step.after) for step in recipe(rng, held_out=False).steps)


def test_the_same_variation_gives_the_same_document():
    seen = {}
    rng = random.Random(4)
    for _ in range(3000):
        made = compose(rng, "snowman")
        told = [(step.name, step.instruction, step.edit, step.after) for step in made.steps]
        assert seen.setdefault(made.variation, told) == told  # the request's wording, and so the prompts', may differ


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_is_kept_from_training_as_a_whole(family):
    rng = random.Random(family)
    held = [compose(rng, family).held_out for _ in range(100)]
    assert 0.02 < sum(held) / len(held) < 0.8
