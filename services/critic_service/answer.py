"""One answer of the critic model while it is being written: whether it accepts already, and how sure it was of that.

Works on the answer's text, through the codec, and on how probable each piece was; never assumes where tokens begin.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from interleavethinker.chat import Token
from interleavethinker.codec import CriticCodec
from interleavethinker.errors import Malformed
from interleavethinker.types import Outcome, Verdict

_WORDS = ("true", "false")


class _Piece(NamedTuple):
    """A token's place in the text, in characters, and its log-probability."""

    start: int
    end: int
    logprob: float | None


class VerdictInWriting:
    """Feed it tokens with `write`. `last_prompt` is what an accept repeats."""

    def __init__(self, codec: CriticCodec, last_prompt: str) -> None:
        self._codec = codec
        self._last_prompt = last_prompt
        self._pieces: list[_Piece] = []
        self.text = ""

    def write(self, token: Token) -> None:
        start = len(self.text)
        self.text += token.text
        self._pieces.append(_Piece(start, len(self.text), token.logprob))

    def verdict(self) -> Verdict:
        """The verdict with its confidence, when the model has ended its answer. Raises Malformed."""
        return self._codec.read(self.text).model_copy(update={"confidence": self._confidence()})

    def accept(self) -> Verdict | None:
        """The verdict as soon as it is known to be an accept: the answer is ended as the codec would end it, and read.

        None where it is no accept, or not yet, or where what the model has begun cannot be ended so.
        """
        place = self._word()
        if place is None or self.text[slice(*place)].lower() != "true":
            return None
        ended = self.text[: place[1]] + self._ending()
        try:
            verdict = self._codec.read(ended)
        except Malformed:
            return None
        confidence = self._confidence()
        self.text = ended
        return verdict.model_copy(update={"confidence": confidence})

    def _confidence(self) -> float | None:
        """The probability of the verdict's word: the product over the tokens that hold a part of it."""
        place = self._word()
        if place is None:
            return None
        held = [piece.logprob for piece in self._pieces if piece.start < place[1] and piece.end > place[0]]
        if not held or None in held:
            return None
        return min(1.0, math.exp(sum(logprob for logprob in held if logprob is not None)))

    def _word(self) -> tuple[int, int] | None:
        """Where the verdict's True or False stands, once it is whole."""
        offset = self._codec.verdict_offset(self.text)
        if offset is None:
            return None
        rest = self.text[offset : offset + 5].lower()
        return next(((offset, offset + len(word)) for word in _WORDS if rest.startswith(word)), None)

    def _ending(self) -> str:
        """What follows the word in an accept of the codec's own."""
        whole = self._codec.write(Verdict(outcome=Outcome.ACCEPT), self._last_prompt)
        offset = self._codec.verdict_offset(whole)
        assert offset is not None, "the codec finds the verdict in what it wrote"
        return whole[offset + len("True") :]
