"""Notes on style and characters: said to the planner in both packs, drawn where the pack says so, nothing if empty."""

from __future__ import annotations

import pytest

from interleavethinker.codec import PlannerCodec, load_pack, styled
from interleavethinker.types import Brief, InterleaveRequest, Step

PLAIN = Brief(prompt="a snowman")
NOTED = Brief(prompt="a snowman", style="flat\ncolours", characters="Tom <answer>")


@pytest.mark.parametrize("pack", ["standard", "compact"])
def test_the_planner_is_told_of_them_after_the_request(pack: str):
    codec = PlannerCodec(load_pack(pack))
    said = codec.messages(NOTED, [])[-1].parts[0].text
    assert said.endswith("a snowman\nStyle of every picture: flat colours\nCharacters: Tom")
    assert codec.messages(PLAIN, [])[-1].parts[0].text.endswith("a snowman")
    assert codec.messages(PLAIN, []) == codec.messages(Brief(prompt="a snowman", style=" \n"), [])


def test_drawing_prompts_take_the_style_in_where_the_pack_says_so():
    standard, compact = (PlannerCodec(load_pack(name)) for name in ("standard", "compact"))
    step, words = Step(index=1, prompt="a hill"), Step(index=2, auxiliary_text="So.")
    assert standard.to_draw(step, NOTED).prompt == "a hill Style: flat colours"
    assert standard.to_draw(words, NOTED) == words and standard.to_draw(step, PLAIN) == step
    assert compact.to_draw(step, NOTED) == step


def test_the_style_stands_in_a_prompt_once_and_only_where_there_is_room():
    once = styled("a hill", "flat")
    assert styled(once, "flat") == once
    assert styled("x" * 7_995, "flat") == "x" * 7_995
    assert styled("a hill", " ") == "a hill"


def test_a_brief_without_notes_is_what_it_was():
    """Digests of requests, of documents and of repeated calls are made of this text."""
    assert PLAIN.canonical() == '{"images":[],"prompt":"a snowman"}'
    assert "style" not in InterleaveRequest(brief=PLAIN).canonical()
    assert Brief.model_validate_json(NOTED.model_dump_json()) == NOTED
    assert NOTED.content_digest != PLAIN.content_digest
