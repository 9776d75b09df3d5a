"""Every way an answer can be malformed, and the reason it is given."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from interleavethinker.codec import well_formed
from interleavethinker.errors import Malformed
from tests.codec.values import CRITIC, PLANNER

STEP: dict[str, Any] = {"step_number": 1, "step_name": "n", "instruction": "i", "prompt": "p", "auxiliary_text": None}


def answer(body: object) -> str:
    return f"<think>r</think><answer>{body if isinstance(body, str) else repr(body)}</answer>"


def plan(*steps: object) -> str:
    return answer({"execution_plan": list(steps)})


GOOD = plan(STEP)
WITHOUT_PROMPT = {name: value for name, value in STEP.items() if name != "prompt"}
PLANS = [
    ("missing_think", GOOD.removeprefix("<think>r</think>")),
    ("missing_think", GOOD.replace("</think>", "")),
    ("missing_think", "Surely! " + GOOD),
    ("missing_think", ""),
    ("missing_answer", "<think>r</think>"),
    ("missing_answer", GOOD.replace("<answer>", "")),
    ("missing_answer", GOOD.replace("<answer>", "Here: <answer>")),
    ("missing_answer", GOOD.removesuffix("</answer>")),
    ("missing_answer", GOOD[:-20]),
    ("unreadable", GOOD + " I hope this helps"),
    ("unreadable", GOOD.replace("<think>", "<think><think>")),
    ("unreadable", GOOD.replace("r</think>", "<answer></think>")),
    ("unreadable", GOOD * 2),
    ("unreadable", answer("{'execution_plan': [")),
    ("unreadable", answer("first, roll a ball")),
    ("unreadable", answer("")),
    ("unreadable", answer("__import__('os').system('true')")),
    ("unreadable", answer("{'execution_plan': [f'x']}")),
    ("unreadable", plan({**STEP, "prompt": "\ud83d"})),
    ("unreadable", GOOD.replace(">r<", ">\ud83d<")),
    ("unreadable", answer("{'a': 1}" + " " * 200_000)),
    ("wrong_fields", answer({"plan": [STEP]})),
    ("wrong_fields", answer({"execution_plan": [STEP], "notes": ""})),
    ("wrong_fields", plan()),
    ("wrong_fields", plan(WITHOUT_PROMPT)),
    ("wrong_fields", plan({**STEP, "score": 3})),
    ("wrong_fields", plan(STEP, STEP)),
    ("wrong_fields", plan(STEP, {**STEP, "step_number": 3})),
    ("wrong_fields", plan({**STEP, "step_number": 0})),
    ("wrong_fields", plan({**STEP, "step_number": 10**9})),
    ("wrong_fields", plan({**STEP, "prompt": "p" * 8_001})),
    ("wrong_types", answer([STEP])),
    ("wrong_types", answer({"execution_plan": STEP})),
    ("wrong_types", plan("roll a ball")),
    ("wrong_types", plan({**STEP, "step_number": "1"})),
    ("wrong_types", plan({**STEP, "step_number": True})),
    ("wrong_types", plan({**STEP, "step_number": 1.0})),
    ("wrong_types", plan({**STEP, "step_name": None})),
    ("wrong_types", plan({**STEP, "prompt": ["p"]})),
    ("wrong_types", plan({**STEP, "auxiliary_text": {"text": "a"}})),
    ("known_damage", plan({**STEP, "auxiliary_text": "ready', None}, {'step_number': 2, 'step_name': '"})),
    ("known_damage", plan({**STEP, "instruction": "None}, {'step_number'"})),
    ("known_damage", plan({**STEP, "prompt": 'null}, {"step_number"'})),
]
VERDICT = {"previous_step_success": False, "refine_prompt": "p"}
VERDICTS = [
    ("missing_think", answer(VERDICT).removeprefix("<think>r</think>")),
    ("missing_answer", "<think>r</think>" + repr(VERDICT)),
    ("unreadable", answer("{'previous_step_success': False, 'refine_prompt': 'p'")),
    ("wrong_fields", answer({"previous_step_success": False})),
    ("wrong_fields", answer({**VERDICT, "score": 7})),
    ("wrong_fields", answer({**VERDICT, "refine_prompt": ""})),
    ("wrong_fields", answer({**VERDICT, "refine_prompt": "p" * 8_001})),
    ("wrong_types", answer({**VERDICT, "previous_step_success": 0})),
    ("wrong_types", answer({**VERDICT, "previous_step_success": "False"})),
    ("wrong_types", answer({**VERDICT, "refine_prompt": None})),
    ("wrong_types", answer([False, "p"])),
    ("known_damage", answer({**VERDICT, "refine_prompt": "None}, {'step_number'"})),
]


def named(table: list[tuple[str, str]]) -> list[Any]:
    return [pytest.param(reason, text, id=f"{reason}-{i}") for i, (reason, text) in enumerate(table)]


@pytest.mark.parametrize(("reason", "text"), named(PLANS))
def test_plans(reason: str, text: str) -> None:
    with pytest.raises(Malformed) as caught:
        PLANNER.read(text)
    assert (caught.value.reason, caught.value.raw) == (reason, text)
    assert caught.value.detail
    assert not well_formed(PLANNER, text)


@pytest.mark.parametrize(("reason", "text"), named([case for case in PLANS if len(case[1]) < 10_000]))
def test_plans_in_a_stream(reason: str, text: str) -> None:
    reader = PLANNER.reader()
    with pytest.raises(Malformed) as caught:
        for character in text:
            reader.feed(character)
        reader.close()
    assert caught.value.reason == reason


@pytest.mark.parametrize(("reason", "text"), named(VERDICTS))
def test_verdicts(reason: str, text: str) -> None:
    with pytest.raises(Malformed) as caught:
        CRITIC.read(text)
    assert (caught.value.reason, caught.value.raw) == (reason, text)
    assert not well_formed(CRITIC, text)


HOSTILE = [
    *("[" * 150_000, "{'a':" * 30_000, "{" * 150_000, "(" * 150_000, "-" * 150_000 + "1", "1+" * 70_000 + "1"),
    *("''" * 70_000, "'" * 150_000, "\\" * 150_000, "9" * 150_000, "' ' " * 30_000, "1if 1 else " * 10_000 + "1"),
    *("{{}}", "{[]: 1}", "{1: 2, 1}", "1e999", "NaN", "\0", "```", "'a' 'b'", "1else"),
]


@pytest.mark.parametrize("body", HOSTILE, ids=[body[:6].encode("unicode_escape").decode() for body in HOSTILE])
def test_hostile_answers_are_refused_quietly(body: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for codec in (PLANNER, CRITIC):
            with pytest.raises(Malformed):
                codec.read(answer(body))


def test_what_a_closed_step_says_is_checked_before_the_answer_ends() -> None:
    reader = PLANNER.reader()
    with pytest.raises(Malformed) as caught:
        reader.feed(plan({**STEP, "score": 3}, STEP)[:160])
    assert caught.value.reason == "wrong_fields"
