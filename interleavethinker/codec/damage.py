"""What is wrong with an answer, while it is being read; `Malformed` is what the outside sees.

Inside the codec a reader knows the fragment before it, not the whole answer, so it raises `Damage`; `whole_answer` puts
the raw answer to it. No answer is read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from interleavethinker.errors import Malformed

Reason = Literal["missing_think", "missing_answer", "unreadable", "wrong_fields", "wrong_types", "known_damage"]


class Damage(Exception):
    """A fragment that cannot be read: the reason of `Malformed`, and a detail for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail


@contextmanager
def whole_answer(raw: str) -> Iterator[None]:
    """Turn a `Damage` raised inside into a `Malformed` that carries the raw answer."""
    try:
        yield
    except Damage as damage:
        raise Malformed(damage.reason, damage.detail, raw) from None
