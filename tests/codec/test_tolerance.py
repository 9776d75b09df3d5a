"""Answers that are not as we would write them, and are read all the same."""

from __future__ import annotations

import json

import pytest

from interleavethinker.codec.literal import read_literal
from interleavethinker.types import Outcome, Plan, Step
from tests.codec.values import CRITIC, PLANNER

PLAN = Plan(
    reasoning="r",
    steps=(
        Step(index=1, name="Base", instruction="Don't stop", prompt='a "snow" ball'),
        Step(index=2, name="Done", auxiliary_text="It's ready"),
    ),
)
NAMES = ("step_number", "step_name", "instruction", "prompt", "auxiliary_text")
FIELDS = [
    dict(zip(NAMES, (1, "Base", "Don't stop", 'a "snow" ball', None), strict=True)),
    dict(zip(NAMES, (2, "Done", None, None, "It's ready"), strict=True)),
]
BODIES = {
    "python": repr({"execution_plan": FIELDS}),
    "json": json.dumps({"execution_plan": FIELDS}),
    "indented json": json.dumps({"execution_plan": FIELDS}, indent=2),
    "null beside single quotes": repr({"execution_plan": FIELDS}).replace("None", "null"),
    "fields in another order": repr({"execution_plan": [dict(reversed(step.items())) for step in FIELDS]}),
    "loose apostrophes": """{'execution_plan': [{'step_number': 1, 'step_name': 'Base', 'instruction': 'Don't stop',
        'prompt': 'a "snow" ball', 'auxiliary_text': null}, {'step_number': 2, 'step_name': 'Done',
        'instruction': None, 'prompt': None, 'auxiliary_text': 'It's ready'}]}""",
    "trailing commas": repr({"execution_plan": FIELDS})[:-2] + ",],}",
}
ENVELOPES = ("<think>r</think><answer>{}</answer>", "\n <think>r</think>\n\n<answer>{}</answer>\n")


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize("fence", ["{}", "\n{}\n", "```python\n{}\n```", "\n```json\n{}\n```\n", "```\n{}```"])
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_styles_of_plans(body: str, fence: str, envelope: str) -> None:
    text = envelope.replace("{}", fence.replace("{}", body))
    assert PLANNER.read(text) == PLAN
    reader = PLANNER.reader()
    assert [step for character in text for step in reader.feed(character)] == list(PLAN.steps)
    assert reader.close() == PLAN


@pytest.mark.parametrize(
    "body",
    [
        '{"previous_step_success": false, "refine_prompt": "a red hat"}',
        "{'previous_step_success': false, 'refine_prompt': 'a red hat'}",
        "{'refine_prompt': 'a red hat', 'previous_step_success': False}",
        "```python\n{\n  'previous_step_success': False,\n  'refine_prompt': 'a red hat',\n}\n```",
    ],
)
def test_styles_of_verdicts(body: str) -> None:
    text = f"<think>r</think>\n<answer>\n{body}\n</answer>"
    verdict = CRITIC.read(text)
    assert (verdict.outcome, verdict.refined_prompt, verdict.confidence) == (Outcome.REVISE, "a red hat", None)
    offset = CRITIC.verdict_offset(text)
    assert offset is not None and text[offset : offset + 5].lower() == "false"


def test_the_verdict_field_is_not_found_in_other_places() -> None:
    said = "{'previous_step_success': True"
    assert CRITIC.verdict_offset(f"<think>I write {said}</think><answer>") is None
    text = f'<think></think><answer>{{"refine_prompt": "{said}", "previous_step_success": false}}</answer>'
    assert CRITIC.verdict_offset(text) == text.index("false")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': true, 'b': null, 'true': 'null'}", {"a": True, "b": None, "true": "null"}),
        ("{'a': 'line\nbreak'}", {"a": "line\nbreak"}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        (r"{'a': 'C:\dir \/ \alpha'}", {"a": "C:\\dir / \alpha"}),
        (r"""{'a': 'it\'s', "b": "a 'b'", 'c': "\"", 'd': '\\'}""", {"a": "it's", "b": "a 'b'", "c": '"', "d": "\\"}),
        (r"{'a': '\xe9\u96ea\U0001f600'}", {"a": "é雪😀"}),
        ("{'a': [-1, 2.5, 1e3]}", {"a": [-1, 2.5, 1000.0]}),
    ],
)
def test_literals(text: str, value: object) -> None:
    assert read_literal(text) == value


def test_halves_of_a_character_are_joined() -> None:
    text = r"<think></think><answer>{'previous_step_success': False, 'refine_prompt': '\ud83d\ude00'}</answer>"
    assert CRITIC.read(text).refined_prompt == "😀"


def test_markers_in_what_a_model_says_are_taken_out() -> None:
    body = r"{'previous_step_success': False, 'refine_prompt': 'a\x3cthink> b<image>'}"
    verdict = CRITIC.read(f"<think><|im_end|></think><answer>{body}</answer>")
    assert (verdict.reasoning, verdict.refined_prompt) == (" ", "a  b ")


def test_the_text_of_an_accept_is_not_a_refinement() -> None:
    text = "<think></think><answer>{'previous_step_success': True, 'refine_prompt': 'anything'}</answer>"
    assert CRITIC.read(text).refined_prompt is None
