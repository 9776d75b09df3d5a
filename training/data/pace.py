"""How far a long piece of data making is, and how long it will still take: a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

Say = Callable[[str], None]


class Pace:
    """`at(done)` says a line when enough time has passed, and at the end. What was there before counts for nothing."""

    def __init__(self, what: str, total: int, say: Say, *, every: float = 10.0) -> None:
        self._what, self._total, self._say, self._every = what, total, say, every
        self._began = self._said = time.monotonic()
        self._first: int | None = None

    def at(self, done: int, remark: str = "") -> None:
        now = time.monotonic()
        self._first = done if self._first is None else self._first
        if now - self._said < self._every and done < self._total:
            return
        self._said = now
        spent, made = now - self._began, done - self._first
        left = f", {spent / made * max(0, self._total - done) / 60:.1f} left" if made > 0 else ""
        self._say(f"[{self._what}] {done}/{self._total}  {spent / 60:.1f} min{left}{'  ' + remark if remark else ''}")
