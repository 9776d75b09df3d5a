"""Documents of the small world: 32 families of how-tos, picture stories and block manipulation, each with many
variations.

A family turns choices (colours, kinds, sides, settings) into a request in ordinary words, and the one document that
answers it: steps with a name, an instruction for the reader, a prompt for the generator, and the exact scene after
each. What a request leaves open, the family decides the same way every time, so that a plan can be checked by carrying
it out.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from smallworld.recipes.draft import Draft, Recipe, RecipeStep, Told, Unfit
from smallworld.recipes.how_to import HOW_TO
from smallworld.recipes.manipulation import MANIPULATION
from smallworld.recipes.stories import STORIES

__all__ = ["FAMILIES", "Recipe", "RecipeStep", "compose", "recipe"]

FAMILIES: dict[str, tuple[str, Callable[[Draft], Told]]] = {
    family.__name__: (genre, family)
    for genre, families in (("how-to", HOW_TO), ("story", STORIES), ("manipulation", MANIPULATION))
    for family in families
}

WRAPPINGS: dict[str, dict[str, str]] = {
    "how-to": {
        "How do I {wish}, step by step?": "lively",
        "How do I {wish}?": "plain",
        "Show me how to {wish}.": "casual",
        "Please explain how to {wish}, with pictures.": "narrated",
        "Make a picture guide: {wish}.": "inverted",
        "I would like to {wish}. What are the steps?": "ornate",
        "{wish}": "plain",
        "Can you show me how to {wish} in a few steps?": "casual",
    },
    "story": {
        "Tell me a story about {wish}.": "lively",
        "Tell a picture story about {wish}.": "narrated",
        "Make a picture book about {wish}.": "plain",
        "A short story in pictures: {wish}.": "inverted",
        "Please draw a story about {wish} for my child.": "casual",
        "Story: {wish}": "ornate",
    },
    "manipulation": {
        "{wish}.": "plain",
        "{wish}, please.": "casual",
        "Plan this: {wish}.": "inverted",
        "Show each step: {wish}.": "lively",
        "Robot task: {wish}.": "ornate",
        "Please show each step: {wish}.": "narrated",
    },
}
"""How a wish is wrapped into a request, and the style in which a planner answers such a request: it takes up the way it
is spoken to, and does not know which style its generator draws best."""


def compose(rng: random.Random, family: str | None = None) -> Recipe:
    """A recipe of the family (any family without one), held out or not."""
    name = family or rng.choice(list(FAMILIES))
    genre, lay_out = FAMILIES[name]
    wrapping = rng.choice(list(WRAPPINGS[genre]))
    while True:
        draft = Draft(rng, WRAPPINGS[genre][wrapping])
        try:
            told = lay_out(draft)
        except (Unfit, ValueError):
            continue  # these choices cannot be laid out: a place is taken or off the picture
        request = wrapping.format(wish=rng.choice(told))
        variation = " ".join([name, *draft.choices])
        return Recipe(name, genre, request[0].upper() + request[1:], variation, tuple(draft.steps))


def recipe(rng: random.Random, *, held_out: bool, family: str | None = None) -> Recipe:
    """A recipe that is, or is not, kept from training."""
    while True:
        made = compose(rng, family)
        if made.held_out is held_out:
            return made
