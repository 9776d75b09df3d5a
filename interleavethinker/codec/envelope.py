"""The envelope of every answer, `<think>reasoning</think><answer>body</answer>`, and the markers kept out of all text.

Reading is strict: each marker exactly once, in this order, with nothing but white space around and between. What the
body says is not known here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from interleavethinker.codec.damage import Damage

THINK, THINK_END = "<think>", "</think>"
ANSWER, ANSWER_END = "<answer>", "</answer>"

MAX_CHARS = 200_000
"""Longest answer that is looked at, in characters; a full one of 4096 tokens has about 16,000."""

_TAGS = (
    "think answer image video audio tool_call tool_response start_of_turn end_of_turn start_of_image end_of_image "
    "s bos eos unk pad"
)
_MARKERS = rf"</?(?:{'|'.join(_TAGS.split())})>|<[|｜][^\s<>|｜]{{1,64}}[|｜]>|\[/?INST\]|<</?SYS>>"
"""The envelope's own markers, stand-ins for media, and control tokens of the chat templates of all common models."""
_UNSEEN = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"  # control characters, but line ends and tabs
    r"|[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]"  # turn the direction of what is read
    r"|[\U000e0000-\U000e007f]"  # tags: a text that no reader sees and every model reads
)
_PLAIN = re.compile(_UNSEEN)
_CLEAN = re.compile(f"{_MARKERS}|{_UNSEEN}")


class Envelope(NamedTuple):
    reasoning: str
    answer: str


def plain(text: str) -> str:
    """The text with every character that hides others, or turns their order, replaced by one space. Markers stay: for
    texts that people read, and whose `<image>` markers count."""
    return _PLAIN.sub(" ", text)


def clean(text: str) -> str:
    """The text with every marker, and all that `plain` takes out, replaced by one space; all text of users and of
    models passes through here.

    A space, because no marker holds one: taking a marker out can then never make a new one of its neighbours
    (`<th<think>ink>`), and one pass is enough.
    """
    return _CLEAN.sub(" ", text)


def wrap(reasoning: str, body: str) -> str:
    """The envelope around a reasoning and a body that are both clean already."""
    return f"{THINK}{reasoning}{THINK_END}{ANSWER}{body}{ANSWER_END}"


def unwrap(text: str) -> Envelope:
    """Take the envelope off. Raises Damage: missing_think, missing_answer or unreadable."""
    if len(text) > MAX_CHARS:
        raise Damage("unreadable", f"the answer has {len(text)} characters, more than {MAX_CHARS}")
    before, _, rest = text.partition(THINK)
    reasoning, closed, rest = rest.partition(THINK_END)
    if not closed or before.strip():
        raise Damage("missing_think", f"the answer must begin with {THINK}...{THINK_END}")
    between, _, rest = rest.partition(ANSWER)
    answer, closed, after = rest.partition(ANSWER_END)
    if not closed or between.strip():
        raise Damage("missing_answer", f"{ANSWER}...{ANSWER_END} must follow {THINK_END}")
    if after.strip():
        raise Damage("unreadable", f"there is text after {ANSWER_END}")
    for marker in (THINK, THINK_END, ANSWER, ANSWER_END):
        if marker in reasoning or marker in answer:
            raise Damage("unreadable", f"the marker {marker} comes more than once")
    return Envelope(reasoning, answer)
