"""Single fields of an answer: names, types, lengths, the known damage. Shared by planner and critic.

Also the format reward, which is just this question: could the services read the answer?
"""

from __future__ import annotations

import re
import reprlib
from typing import Protocol

from interleavethinker.codec.damage import Damage
from interleavethinker.codec.envelope import clean
from interleavethinker.errors import Malformed

PROMPT_LIMIT = 8_000
"""Longest prompt, in characters; the same as `ImageJob.prompt` and `Verdict.refined_prompt` take."""
NAME_LIMIT = 1_000
TEXT_LIMIT = 32_000

_RUN_TOGETHER = re.compile(r"""(?:None|null)\s*\}\s*,\s*\{\s*\\*['"]step_number""")
"""Two steps run together into one text (paper.md section 2: a known damage to refuse)."""


class Reads(Protocol):
    """A codec, as the format reward sees it."""

    def read(self, text: str) -> object: ...


def well_formed(codec: Reads, text: str) -> bool:
    """The format reward: True exactly where a service would have read the answer."""
    try:
        codec.read(text)
    except Malformed:
        return False
    return True


def the_fields(value: object, names: tuple[str, ...], what: str) -> list[object]:
    """The values of exactly these fields, in this order. Raises Damage: wrong_types (no dict), wrong_fields."""
    if not isinstance(value, dict):
        raise Damage("wrong_types", f"{what} must be a dict, got {type(value).__name__}")
    missing = [name for name in names if name not in value]
    unknown = [key for key in value if key not in names]
    if missing or unknown:
        raise Damage("wrong_fields", f"{what}: fields missing {reprlib.repr(missing)}, unknown {reprlib.repr(unknown)}")
    return [value[name] for name in names]


def the_text(value: object, name: str, limit: int) -> str:
    """A text of at most `limit` characters, cleaned of markers. Raises Damage."""
    if not isinstance(value, str):
        raise Damage("wrong_types", f"{name} must be a text, got {type(value).__name__}")
    if len(value) > limit:
        raise Damage("wrong_fields", f"{name} has {len(value)} characters, more than {limit}")
    if _RUN_TOGETHER.search(value):
        raise Damage("known_damage", f"{name} holds the beginning of another step")
    return clean(sound_text(value, name))


def the_text_or_none(value: object, name: str, limit: int) -> str | None:
    return None if value is None else the_text(value, name, limit)


def the_bool(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise Damage("wrong_types", f"{name} must be True or False, got {type(value).__name__}")
    return value


def the_number(value: object, name: str) -> int:
    """A whole number; True and False are none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Damage("wrong_types", f"{name} must be a whole number, got {type(value).__name__}")
    return value


def sound_text(text: str, name: str) -> str:
    """The text with surrogate pairs joined (Python literals leave JSON's `\\ud83d\\ude00` as two halves).

    A lone half cannot be stored or sent: Damage("unreadable").
    """
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise Damage("unreadable", f"{name} holds half a character") from None
