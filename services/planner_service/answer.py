"""One answer of the planner model while it is being written: its steps so far, and where it could be cut and continued.

Works on the answer's text alone, through the codec; knows neither tokens nor who writes it.
"""

from __future__ import annotations

from interleavethinker.codec import PlannerCodec
from interleavethinker.errors import Malformed
from interleavethinker.types import Plan, Step


class PlanInWriting:
    """Feed it text with `write`; it raises Malformed as soon as the answer cannot become a plan."""

    def __init__(self, codec: PlannerCodec, beginning: str = "") -> None:
        self._codec = codec
        self._reader = codec.reader()
        self._after_steps = 0
        self.text = ""
        self.steps: list[Step] = []
        self.write(beginning)

    def write(self, text: str) -> None:
        """Take the next piece. One character at a time, so that the end of each step is known exactly."""
        for character in text:
            self.text += character
            if closed := self._reader.feed(character):
                self.steps += closed
                self._after_steps = len(self.text)

    def plan(self) -> Plan:
        """The plan, when the model has ended its answer. Raises Malformed."""
        plan = self._reader.close()
        self.steps = list(plan.steps)
        return plan

    def cut(self) -> Plan:
        """The plan of the steps so far, the answer ended after them as the codec would end it. Raises Malformed."""
        beginning = self.beginning()
        self.text = beginning + _ending(self._codec, self.steps)
        return self._codec.read(self.text)

    def beginning(self) -> str:
        """The text up to the end of the last whole step."""
        return self.text[: self._after_steps]

    def sound(self) -> bool:
        """Whether `beginning` holds steps and is free of damage, so that an answer can go on from there."""
        if not self.steps:
            return False
        try:
            self._codec.read(self.beginning() + _ending(self._codec, self.steps))
        except Malformed:
            return False
        return True


def _ending(codec: PlannerCodec, steps: list[Step]) -> str:
    """What follows the last step in an answer of the codec's own."""
    whole = codec.write(Plan(steps=tuple(steps)))
    written = PlanInWriting(codec, whole)
    return whole[len(written.beginning()) :]
