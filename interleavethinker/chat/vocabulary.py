"""Tokens as bytes: turns a stream of byte-level BPE tokens into text, and heals the seam after a fixed prefix.

Both are needed because a tokeniser's borders are not the text's: a character may be split over tokens, and a text that
was cut at an arbitrary place is seldom cut where the model would have cut it. No model is run here.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence

LONGEST = 32
"""Bytes that a token of words and signs may have; only runs of spaces and the like are longer in real vocabularies."""


class Vocabulary:
    """What every token stands for, in bytes. Control tokens stand for none: they are never text."""

    def __init__(self, spellings: Mapping[int, bytes]) -> None:
        self._bytes = dict(spellings)
        self._reach = min(max(map(len, self._bytes.values()), default=0), LONGEST)

    def spelling(self, token: int) -> bytes:
        return self._bytes.get(token, b"")

    def text(self) -> TextOf:
        """A new incremental decoder, for one answer."""
        return TextOf(self)

    def seam(self, prefix: Sequence[int]) -> tuple[list[int], bytes]:
        """Split a tokenised prefix into the tokens to keep, and an ending that the model had better spell itself.

        A text cut off after `'}` is tokenised as such, though the model may know only the token `'}, {'step': `. No
        token that the cut runs through begins further back than the longest token is long, so as much is given back.
        """
        kept, ending = len(prefix), b""
        while kept and len(ending) < self._reach:
            kept -= 1
            ending = self.spelling(prefix[kept]) + ending
        return list(prefix[:kept]), ending

    def towards(self, ending: bytes) -> list[int]:
        """The tokens that spell the beginning of `ending`, or all of it and more."""
        return [
            token
            for token, spelling in self._bytes.items()
            if spelling and (spelling.startswith(ending) or ending.startswith(spelling))
        ]


class TextOf:
    """The text of one answer: feed its tokens in order. Bytes that are no UTF-8 come out as U+FFFD."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token: int, skip: int = 0) -> str:
        """The text that became whole with this token, without the token's first `skip` bytes."""
        return self._decoder.decode(self._vocabulary.spelling(token)[skip:])

    def close(self) -> str:
        """What is left of a character that was never finished."""
        return self._decoder.decode(b"", final=True)
