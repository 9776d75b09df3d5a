"""Which steps a run has and in what order they are shown, after any prefix of its events.

A step's index is its identity for ever; where it stands is a matter of order. Deliberately not here: what became of the
steps (`document`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from interleavethinker.events import Arranged, Event, PlanEdited, StepEdited, StepInserted, StepPlanned
from interleavethinker.types import Step


class Arrangement:
    """`steps`: every step by index, the deleted ones too. `order`: the indexes that are shown, as they are shown."""

    def __init__(self) -> None:
        self.steps: dict[int, Step] = {}
        self.order: list[int] = []

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        arrangement = cls()
        for event in events:
            arrangement.hear(event)
        return arrangement

    def hear(self, event: Event) -> None:
        """Take in the next event; most of them change nothing here."""
        match event:
            case StepPlanned(step=step):
                if step.index not in self.steps:
                    self.order.append(step.index)
                self.steps[step.index] = step
            case PlanEdited(plan=plan):
                self.steps = {step.index: step for step in plan.steps}
                self.order = list(self.steps)
            case StepEdited(step=step):
                self.steps[step.index] = step
            case StepInserted(step=step, after=after):
                self.steps[step.index] = step
                self.order.insert(self.order.index(after) + 1 if after in self.order else 0, step.index)
            case Arranged(order=order):
                self.order = list(order)

    @property
    def shown(self) -> list[Step]:
        return [self.steps[index] for index in self.order if index in self.steps]

    @property
    def first(self) -> int:
        """The number of the first shown step: a continued sequence does not begin at 1."""
        return min(self.steps, default=1)

    @property
    def next(self) -> int:
        """The index of a step that is to be inserted."""
        return max(self.steps, default=0) + 1
