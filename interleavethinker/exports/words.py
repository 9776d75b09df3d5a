"""A critic's words made easy to read: what changed in a prompt, and what was wrong in a drawing.

Pure text in, pure values out: the page and the terminal colour them each in their own way.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_PLACE = re.compile(r"[a-z]\d{1,2}")
_SENTENCE = re.compile(r"[.!?](\s|$)")
_FEWEST_PLACES = 3


class Piece(NamedTuple):
    """A run of words that both texts have, or only the new one (`added`), or only the old one (`removed`)."""

    kind: Literal["same", "added", "removed"]
    text: str


class Fault(NamedTuple):
    """What should be at a place, and what is there instead. `place` is empty for the picture as a whole."""

    place: str
    wanted: str
    seen: str


def changes(old: str, new: str) -> list[Piece]:
    """The new text word by word, with what was taken out of the old one standing where it stood."""
    before, after = old.split(), new.split()
    pieces: list[Piece] = []
    for what, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            pieces.append(Piece("same", " ".join(after[k:m])))
            continue
        if i < j:
            pieces.append(Piece("removed", " ".join(before[i:j])))
        if k < m:
            pieces.append(Piece("added", " ".join(after[k:m])))
    return pieces


def faults(reasoning: str) -> list[Fault] | None:
    """The faults in a reasoning that goes through a picture place by place, and says "but" where something is wrong:
    `meadow a1 empty b1 yellow sun but empty c1 ...`. None for any other reasoning, such as plain sentences.
    """
    if _SENTENCE.search(reasoning):
        return None
    entries: list[tuple[str, list[str]]] = [("", [])]
    for word in reasoning.split():
        if _PLACE.fullmatch(word):
            entries.append((word, []))
        else:
            entries[-1][1].append(word)
    if len(entries) <= _FEWEST_PLACES:
        return None
    split = [(place, " ".join(words).partition(" but ")) for place, words in entries]
    return [Fault(place, wanted, seen) for place, (wanted, but, seen) in split if but]


def sureness(confidence: float | None) -> str:
    """A probability for people, never rounded up to certainty: `97% sure`. Empty when it is not known."""
    if confidence is None:
        return ""
    return f"{min(99, round(100 * confidence))}% sure"
