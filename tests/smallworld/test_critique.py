"""The ideal critic: it accepts what is right and nothing else, names each fault, and refines the prompt to its
plainest."""

from __future__ import annotations

import random

from interleavethinker.types import Outcome
from smallworld.critique import compare, faults, true_verdict, verdict_on_reading
from smallworld.edits import Add, ChangeSetting, Move, Paint, Place, Recolour, Remove, apply, trail
from smallworld.measure import read
from smallworld.paint import paint
from smallworld.prompts import parse, style_of
from smallworld.scene import Scene, Thing
from training.lessons import critic_lesson, spoil

BODY, HAT = Thing("white", "snowball"), Thing("red", "hat")
BEFORE = Scene("snow", {"b4": BODY})
EDIT = Add(HAT, Place(relation="on top of", anchor=BODY))


def test_the_right_picture_is_accepted():
    verdict = true_verdict(EDIT, BEFORE, apply(EDIT, BEFORE), (), "add a red hat on top of the white snowball")
    assert verdict.outcome is Outcome.ACCEPT
    assert "but" not in verdict.reasoning.split()


def test_a_fault_is_named_and_the_prompt_refined():
    verdict = true_verdict(EDIT, BEFORE, BEFORE, (), "add a red hat on top of the white snowball")
    assert faults(verdict.reasoning) == {"b3": "red hat but empty"}
    assert verdict.refined_prompt == "add a red hat at b3"
    again = true_verdict(EDIT, BEFORE, BEFORE, (), "add a red hat at b3")
    assert again.refined_prompt == "add a red hat at b3 and change nothing else"


def test_the_critic_first_finds_the_cells_that_the_edit_is_about():
    verdict = true_verdict(EDIT, BEFORE, apply(EDIT, BEFORE), (), "add a red hat on top of the white snowball")
    assert verdict.reasoning.startswith("snow b4 b3 a1 empty")
    scene = apply(EDIT, BEFORE)
    assert trail(Move(HAT, Place(relation="left of", anchor=BODY)), scene) == ("b3", "b4", "a4")
    assert trail(Move(HAT, Place("d1")), scene) == ("b3", "d1")
    assert trail(Add(Thing("blue", "cat"), Place("c1")), scene) == ("c1",)
    assert trail(Recolour(HAT, "blue"), scene) == trail(Remove(HAT), scene) == ("b3",)
    assert trail(ChangeSetting("night"), scene) == trail(Paint(scene), None) == ()


def test_settings_and_smudges_are_faults():
    wanted = apply(EDIT, BEFORE)
    assert faults(compare(wanted, wanted.on("night"))) == {"setting": "snow but night"}
    assert faults(compare(wanted, wanted, ("d1",))) == {"d1": "empty but smudged"}


def test_painted_lessons_agree_with_the_judge_of_pixels():
    rng, seen = random.Random(8), []
    for _ in range(150):
        lesson = critic_lesson(rng)
        first = lesson.before.min() == 255
        edit = parse(lesson.prompt)
        before = None if first else read(lesson.before).scene
        measured = verdict_on_reading(edit, before, read(lesson.after), lesson.last_prompt)
        assert (measured.outcome, measured.reasoning) == (lesson.verdict.outcome, lesson.verdict.reasoning)
        if refined := lesson.verdict.refined_prompt:
            assert apply(parse(refined), before) == apply(edit, before)  # another wording of the same wish
            assert style_of(refined) != style_of(lesson.last_prompt)
        seen.append(lesson.verdict.outcome)
    assert 0.35 < seen.count(Outcome.ACCEPT) / len(seen) < 0.65


def test_spoiled_scenes_are_never_the_wanted_one():
    rng = random.Random(9)
    wanted = apply(EDIT, BEFORE)
    assert all(spoil(rng, EDIT, BEFORE, wanted) != wanted for _ in range(300))
    assert paint(wanted).shape == (128, 128, 3)
