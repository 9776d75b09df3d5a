"""A judge for the real world: a vision-language model answers two questions about a drawing, 0 to 10 each part.

Our own rubric in VIEScore's shape (paper.md section 3): semantics is the lesser of "the edit was made" and "nothing
else was changed", quality the lesser of "looks natural" and "no artifacts". The two are asked apart, so that a pretty
picture does not lend its looks to the wrong content. Answers are read strictly and asked for again when they cannot be
read. Pin the model: scores of two judges cannot be compared.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from contextlib import aclosing

from interleavethinker.chat import Chat
from interleavethinker.codec import ImagePart, Message, TextPart, clean
from interleavethinker.codec.images import cap_pixels
from interleavethinker.errors import BadRequest
from interleavethinker.ports import Blobs
from interleavethinker.types import Critique
from training.judge import Scores

SEMANTICS = ("edit_success", "no_over_editing")
QUALITY = ("naturalness", "no_artifacts")
MAX_PIXELS = 1024 * 1024

RULES = """\
You score a picture that an image generator drew. You are strict and you judge only what can be seen.
Every score is a number from 0 to 10: 10 means flawless, 5 that half of it holds, 0 that it fails altogether.
Answer with one JSON object and nothing else, of just these fields:
{{"why": "<one or two sentences>", "{first}": <number>, "{second}": <number>}}"""

EDIT = """\
The first picture is the state before, the second the state after. The generator was told: "{prompt}"
edit_success: how completely does the second picture show what was asked for?
Count each thing, number, colour, place and word that was asked for; something half done counts half.
no_over_editing: how well was everything left alone that was not asked to change?
Compare both pictures: things, people, faces, surroundings, viewpoint and style.
Whatever was lost, added, moved or altered without need lowers the score."""

FIRST = """\
The generator drew this picture from nothing. It was told: "{prompt}"
edit_success: how completely does the picture show what was asked for?
Count each thing, number, colour, place and word that was asked for; something half done counts half.
no_over_editing: how free is the picture of things that contradict the prompt or that it gives no reason for?
A fitting background is no fault."""

LOOKS = """\
Judge only how this picture is made, not what it was meant to show.
naturalness: do light, shadow, perspective, proportions and the way things stand and touch fit together, in the
picture's own style? A drawing may look drawn.
no_artifacts: is it free of defects: deformed faces, hands or limbs, doubled or melting things, smears, noise, seams,
stray marks, unreadable letters?"""

_FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)


class VlmJudge:
    """Implements `training.judge.Judge` over any `Chat`.

    `success`: the least semantics and quality at which an attempt counts as right. An unreadable answer is asked for
    again `reasks` times, then BadRequest is raised: a score is never guessed. `raw` keeps every answer, failed ones
    too; a chat that records (`training.data.replies`) keeps them on disk.
    """

    def __init__(
        self,
        chat: Chat,
        blobs: Blobs,
        *,
        success: tuple[float, float] = (8.0, 6.0),
        reasks: int = 2,
        max_tokens: int = 600,
        seed: int = 0,
    ) -> None:
        self._chat, self._blobs = chat, blobs
        self._success, self._reasks, self._max_tokens, self._seed = success, reasks, max_tokens, seed
        self.raw: list[str] = []

    async def score(self, critique: Critique) -> Scores:
        """Two questions. Raises BadRequest for an answer that stays unreadable, Unavailable when nobody answers."""
        after = cap_pixels(await self._blobs.get(critique.after.digest), MAX_PIXELS)
        before = None
        if critique.before is not None:
            before = cap_pixels(await self._blobs.get(critique.before.digest), MAX_PIXELS)
        semantics = min(await self._ask(semantics_question(critique.prompt, before, after), SEMANTICS))
        quality = min(await self._ask(quality_question(after), QUALITY))
        right = semantics >= self._success[0] and quality >= self._success[1]
        return Scores(semantics=semantics, quality=quality, success=right)

    async def _ask(self, messages: Sequence[Message[bytes]], fields: tuple[str, str]) -> tuple[float, float]:
        for ask in range(1 + self._reasks):
            tokens = self._chat.stream(
                messages, max_tokens=self._max_tokens, temperature=0.5 if ask else 0.0, seed=self._seed + ask
            )
            async with aclosing(tokens):
                answer = "".join([token.text async for token in tokens])
            self.raw.append(answer)
            if found := read_scores(answer, fields):
                return found
        raise BadRequest(f"the judge's answer cannot be read as {' and '.join(fields)}: {answer[:200]!r}")


def semantics_question(prompt: str, before: bytes | None, after: bytes) -> list[Message[bytes]]:
    """Was it done, and nothing else?"""
    told = (FIRST if before is None else EDIT).format(prompt=clean(prompt))
    pictures = [ImagePart(picture) for picture in (before, after) if picture is not None]
    return [_system(SEMANTICS), Message("user", (*pictures, TextPart(told)))]


def quality_question(after: bytes) -> list[Message[bytes]]:
    """How does it look? The prompt is not told, so that it cannot colour the answer."""
    return [_system(QUALITY), Message("user", (ImagePart(after), TextPart(LOOKS)))]


def read_scores(answer: str, fields: tuple[str, str]) -> tuple[float, float] | None:
    """The two scores of an answer: a JSON object of just `why` and the fields, each a number from 0 to 10, with nothing
    around it but a code fence. None for anything else."""
    fenced = _FENCED.fullmatch(answer)
    try:
        said = json.loads(fenced[1] if fenced else answer)
    except ValueError:
        return None
    if not isinstance(said, dict) or not set(fields) <= set(said) <= {*fields, "why"}:
        return None
    first, second = (said[field] for field in fields)
    if not (_is_score(first) and _is_score(second)):
        return None
    return float(first), float(second)


def _is_score(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 10  # type: ignore[arg-type, operator]


def _system(fields: tuple[str, str]) -> Message[bytes]:
    return Message("system", (TextPart(RULES.format(first=fields[0], second=fields[1])),))
