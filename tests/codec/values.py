"""Arbitrary plans and verdicts, with texts that are hard on quotes, escapes and markers."""

from __future__ import annotations

from hypothesis import strategies as st

from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from interleavethinker.types import Outcome, Plan, Step, Verdict

PLANNER = PlannerCodec(load_pack("standard"))
CRITIC = CriticCodec(load_pack("standard"))

FRAGMENTS = (
    *(
        "'",
        '"',
        "\\",
        "\\'",
        '\\"',
        "\n",
        "\r\n",
        "\t",
        "\0",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "', '",
        '": "',
        "'}",
        "}]}",
    ),
    *(
        "```",
        "don't",
        "None",
        "true",
        "null",
        "\\n",
        "\\u0041",
        "\\x",
        "é",
        "雪",
        "😀",
        "\u2028",
        "<",
        "think>",
        "$prompt",
    ),
    *("step_number", "{'step_number': 1}"),
)
MARKERS = (
    *("<think>", "</think>", "<answer>", "</answer>", "<image>"),
    *("<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|vision_start|>"),
)

characters = st.text(max_size=30)
unmarked = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf"], exclude_characters=">]", include_characters="\n\t\u200d"),
    max_size=30,
)
"""Every marker ends in ">" or "]", those of chat tokens that we never saw included; the rest is what nobody can see."""
hard = st.lists(st.sampled_from(FRAGMENTS) | characters, max_size=6).map("".join)
marked = st.lists(st.sampled_from((*FRAGMENTS, *MARKERS)), max_size=8).map("".join)
any_text = hard | marked


@st.composite
def plans(draw: st.DrawFn, text: st.SearchStrategy[str] = any_text) -> Plan:
    first = draw(st.integers(1, 30))
    optional = st.none() | text
    steps = []
    for index in range(first, first + draw(st.integers(1, 4))):
        texts = {name: draw(optional) for name in ("instruction", "prompt", "auxiliary_text")}
        steps.append(Step(index=index, name=draw(text), **texts))
    return Plan(steps=tuple(steps), reasoning=draw(text))


@st.composite
def verdicts(draw: st.DrawFn, text: st.SearchStrategy[str] = any_text) -> Verdict:
    if draw(st.booleans()):
        return Verdict(outcome=Outcome.ACCEPT, reasoning=draw(text))
    return Verdict(outcome=Outcome.REVISE, refined_prompt=draw(text.filter(bool)), reasoning=draw(text))
