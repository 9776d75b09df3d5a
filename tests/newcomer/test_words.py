"""What a critic's words become for people."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from interleavethinker.exports.words import Fault, Piece, changes, faults, sureness
from smallworld.critique import compare
from smallworld.critique import faults as told_faults
from smallworld.sample import random_scene
from smallworld.scene import CELLS, Scene, Thing

WORDS = st.lists(st.sampled_from(["put", "a", "the", "red", "blue", "cat", "on", "top", "left"]), max_size=12).map(
    " ".join
)


def test_a_changed_prompt_shows_old_and_new_words_where_they_stand():
    assert changes("put a hat on the ball", "put a red hat at b2") == [
        Piece("same", "put a"),
        Piece("added", "red"),
        Piece("same", "hat"),
        Piece("removed", "on the ball"),
        Piece("added", "at b2"),
    ]


@given(WORDS, WORDS)
def test_both_texts_can_be_read_off_their_changes(old: str, new: str):
    pieces = changes(old, new)
    assert " ".join(piece.text for piece in pieces if piece.kind != "removed") == new
    assert " ".join(piece.text for piece in pieces if piece.kind != "added") == old


def test_faults_are_found_at_their_places():
    wanted, seen = Scene("snow", {"b4": Thing("white", "snowball")}), Scene("night", {"c4": Thing("white", "snowball")})
    assert faults(compare(wanted, seen, ["a1"])) == [
        Fault("", "snow", "night"),
        Fault("a1", "empty", "smudged"),
        Fault("b4", "white snowball", "empty"),
        Fault("c4", "empty", "white snowball"),
    ]


@given(st.integers(0, 10_000))
def test_the_small_worlds_reasoning_is_read_as_the_small_world_means_it(seed: int):
    rng = random.Random(seed)
    looked_up = rng.sample(CELLS, rng.randint(0, 3))
    reasoning = compare(random_scene(rng, 0, 6), random_scene(rng, 0, 6), looked_up=looked_up)
    found = {fault.place or "setting": f"{fault.wanted} but {fault.seen}" for fault in faults(reasoning) or []}
    assert found == told_faults(reasoning)


def test_prose_is_left_as_it_is():
    assert faults("The hat is there, but it is blue. It lies at b2, c3 and d4, but not on the head.") is None
    assert faults("good but small") is None
    assert faults("") is None


def test_nobody_is_quite_sure():
    assert (sureness(0.9999), sureness(0.874), sureness(None)) == ("99% sure", "87% sure", "")
