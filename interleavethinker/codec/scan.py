"""Strings and objects in a literal that may still be being written: where they end.

Knows quotes, escapes and brackets of Python and JSON literals alike, looks at each character once, and reads no values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRUCTURE = re.compile(r"""['"{}\[\]]""")
_INSIDE = {quote: re.compile(rf"\\(?:.|\Z)|{quote}\s*+(?:[,:}}\]]|\Z)", re.DOTALL) for quote in "'\""}
"""Inside a string: an escape, or a quote that ends it. `\\Z`: what follows is not written yet."""


def string_end(text: str, at: int, quote: str) -> tuple[int, bool]:
    """(index of the quote that closes the string, True), or (where to look again once more is written, False).

    `at` lies within the string. A quote closes only where `, : } ]` follows, as it does in every sound literal: so the
    apostrophe that a model forgot to escape ('don't') stays a part of the text.
    """
    for found in _INSIDE[quote].finditer(text, at):
        if found[0][0] == quote and found[0][-1] in ",:}]":
            return found.start(), True
        if found.end() == len(text) and (found[0] == "\\" or found[0][0] == quote):
            return found.start(), False
    return len(text), False


class ObjectScanner:
    """Finds objects at one depth of a growing text: depth 3 is the steps in `{'execution_plan': [{...}, {...}]}`."""

    def __init__(self, *, start: int, depth: int) -> None:
        self._at = start
        self._wanted = depth
        self._depth = 0
        self._quote = ""
        self._opened = start
        self._done = False

    def closed(self, text: str) -> Iterator[str]:
        """The wanted objects that closed since the last call, given the whole text so far."""
        while not self._done:
            if self._quote:
                self._at, ended = string_end(text, self._at, self._quote)
                if not ended:
                    return
                self._quote = ""
                self._at += 1
            found = _STRUCTURE.search(text, self._at)
            if found is None:
                self._at = len(text)
                return
            self._at = found.end()
            if found[0] in "'\"":
                self._quote = found[0]
            elif found[0] in "{[":
                self._depth += 1
                if self._depth == self._wanted:
                    self._opened = found.start()
            else:
                self._depth -= 1
                self._done = self._depth <= 0
                if self._depth == self._wanted - 1:
                    yield text[self._opened : self._at]
