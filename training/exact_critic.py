"""A critic that cannot be wrong about the small world: it reads the pixels.

With `refine` it is the oracle that measurements are held against; with `rewordings` the teacher that data is made by,
who sees what is wrong and does not know how the generator likes to be told.
"""

from __future__ import annotations

from interleavethinker.errors import BadRequest
from interleavethinker.ports import Blobs, Judgement
from interleavethinker.types import Critique
from smallworld.critique import Refine, refine, verdict_on_reading
from smallworld.edits import Impossible
from smallworld.measure import read
from smallworld.prompts import Unreadable, parse
from training.judge import pixels


class ExactCritic:
    """Implements `ports.Critic`. Raises BadRequest for a step that is none of the small world's."""

    def __init__(self, blobs: Blobs, next_prompt: Refine = refine) -> None:
        self._blobs, self._next_prompt = blobs, next_prompt

    async def judge(self, critique: Critique) -> Judgement:
        before = None
        if critique.before is not None:
            before = read(pixels(await self._blobs.get(critique.before.digest))).scene
        seen = read(pixels(await self._blobs.get(critique.after.digest)))
        try:
            edit = parse(critique.prompt)
            return Judgement(verdict_on_reading(edit, before, seen, critique.last_prompt, self._next_prompt))
        except (Unreadable, Impossible) as error:
            raise BadRequest(f"the exact critic knows the small world only: {error}") from error
