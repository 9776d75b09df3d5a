"""What the loop says to whoever works ahead of it, and what it is told for that: nothing. Without anyone the loop is
the plain one, one thing after the other.

Deliberately not here: working ahead (`foresight`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interleavethinker.types import ImageRef
from services.orchestrator.rounds import Take
from services.orchestrator.rules import Attempt
from services.orchestrator.writing import PlanInWriting

Room = Callable[[int], bool]
"""Whether so many drawings beyond the loop's next one are within the request's limits."""


class Ahead:
    """Does nothing ahead. No method waits for anything; none of them ever changes what the loop decides."""

    def begin(self, plan: PlanInWriting, room: Room) -> None:
        """The loop begins: the plan as it is being written."""

    def drawing(self, take: Take, attempts: Sequence[Attempt], prompt: str, before: ImageRef | None) -> None:
        """An attempt at the step is about to be asked for, after these."""

    def drawn(self, take: Take, number: int, image: ImageRef) -> None:
        """It is there, and about to be judged."""

    async def refused(self, take: Take, image: ImageRef) -> None:
        """This picture of the step will not stand."""

    async def settled(self, take: Take, image: ImageRef | None) -> None:
        """The step's picture stands."""
