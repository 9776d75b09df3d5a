"""The content filter that comes with the house: a deployer's list of words, phrases and expressions that no prompt may
hold. It looks at no picture, and understands nothing: whoever needs more names a module of their own.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

from interleavethinker.errors import BadSettings
from interleavethinker.ports import ContentVerdict


class WordFilter:
    """Implements `ports.ContentFilter`. One entry a line: a word or phrase, found whole and in any case, or an
    /expression/; lines that begin with # are remarks."""

    sees_images = False

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        self._entries = [_expression(line) for line in lines if line and not line.startswith("#")]
        self.name = f"words@{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    async def prompt(self, text: str) -> ContentVerdict:
        """Denied texts are not told which entry they met: the list is not the caller's to read."""
        plain = _folded(text)
        if any(entry.search(plain) for entry in self._entries):
            return ContentVerdict(False, "the text holds something that may not be drawn here")
        return ContentVerdict(True)

    async def image(self, data: bytes) -> ContentVerdict:
        return ContentVerdict(True, "not looked at")


def open_words(path: str) -> WordFilter:
    """The filter of a file. Raises BadSettings."""
    try:
        return WordFilter(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, re.error) as error:
        raise BadSettings(f"orchestrator.filter.words is {path!r}, which cannot be used: {error}") from error


def _expression(line: str) -> re.Pattern[str]:
    if len(line) > 2 and line.startswith("/") and line.endswith("/"):
        return re.compile(line[1:-1], re.IGNORECASE)
    words = r"\W+".join(map(re.escape, _folded(line).split()))
    return re.compile(rf"(?<!\w){words}(?!\w)")


def _folded(text: str) -> str:
    """One form for all ways to write the same letters; what nobody sees is taken out."""
    seen = (letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return "".join(seen).casefold()
