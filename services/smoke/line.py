"""One line of the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["PASS", "SLOW", "FAIL", "SKIP"]
"""SLOW: it works, in more time than was expected. SKIP: what it needs has failed before."""


@dataclass(frozen=True, slots=True)
class Line:
    """`seconds` None where nothing was timed; `expected` is the most that passes. `pictures`: captions and bytes."""

    about: str
    outcome: Outcome
    found: str
    seconds: float | None = None
    expected: float | None = None
    pictures: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)


def timed(about: str, found: str, seconds: float, expected: float | None, *pictures: tuple[str, bytes]) -> Line:
    """PASS, or SLOW where it took longer than expected."""
    slow = expected is not None and seconds > expected
    return Line(about, "SLOW" if slow else "PASS", found, seconds, expected, pictures)
