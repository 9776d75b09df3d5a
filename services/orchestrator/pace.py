"""How far a run is, and about how long it will still take: a fold of its events, as the document is one.

The estimate goes by this run's own drawings so far and their attempts, so it is no promise. Deliberately not here: the
place of a waiting run in the queue (`waiting`), and the steps of the drawing under way (`board`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import fmean

from pydantic import BaseModel, Field

from interleavethinker.arrangement import Arrangement
from interleavethinker.events import (
    Branched,
    Created,
    Drawn,
    Finished,
    Judged,
    Planned,
    Recorded,
    Resumed,
    Started,
    Status,
    StepFinished,
    StepInserted,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import Budget, Step
from services.orchestrator.rounds import BEGINS_ROUND
from services.orchestrator.statuses import status_after


class RunProgress(BaseModel):
    """How far a run under way is. Seconds."""

    steps_finished: int
    steps_planned: int = Field(description="so far, while the plan is being written")
    draws: int = Field(description="drawings that its budget was charged with")
    max_draws: int | None = Field(description="of its budget; null: no limit")
    elapsed: float = Field(description="since work on it, or on its redraw, began; 0 while it waits")
    remaining_estimate: float | None = Field(
        description="by what its drawings took so far; null before the plan is whole and something is drawn"
    )


class Pace:
    """Feed it a run's events from the first one on (`observe`); `progress` may be asked for at any moment."""

    def __init__(self) -> None:
        self.status = Status.QUEUED
        self.drawn: set[tuple[int, int]] = set()
        """The attempts that are drawn, as (step, number)."""
        self._arrangement = Arrangement()
        self._finished: set[int] = set()
        self._attempts: dict[int, int] = {}
        self._draws, self._seconds, self._timed = 0, 0.0, 0
        self._budget, self._whole = Budget(), False
        self._planned: dict[int, datetime] = {}
        self._began: datetime | None = None
        self._free: datetime | None = None  # since when the loop can have gone on
        self._last = datetime.now(UTC)

    @property
    def steps(self) -> dict[int, Step]:
        """The steps that are shown, by index."""
        return {step.index: step for step in self._arrangement.shown}

    def observe(self, recorded: Recorded) -> None:
        event, self._last = recorded.event, recorded.at
        self.status = status_after(event) or self.status
        if isinstance(event, BEGINS_ROUND):
            self._began = None
        self._arrangement.hear(event)
        match event:
            case Created(request=request):
                self._budget = request.budget
            case Started():
                self._began = self._began or recorded.at
                self._free = recorded.at
            case StepPlanned(step=step):
                self._planned[step.index] = recorded.at
            case StepInserted(step=step) if not step.prompt:
                self._finished.add(step.index)
            case Planned():
                self._whole = True
            case Drawn(step=index, number=number):
                self.drawn.add((index, number))
                self._attempts[index] = self._attempts.get(index, 0) + 1
                self._draws, self._timed = self._draws + 1, self._timed + 1
                self._took(recorded.at, self._planned.get(index))
            case Judged():
                self._took(recorded.at)
            case StepFinished(step=index):
                self._finished.add(index)
                self._free = recorded.at
            case StepReopened(step=index):
                self._finished.discard(index)
                self._attempts.pop(index, None)
            case Branched():
                self._draws, self._timed, self._seconds = 0, 0, 0.0  # what is shared took no time here
        if isinstance(event, StepReopened | Resumed) and event.budget:
            self._budget = event.budget
        if isinstance(event, Finished):
            self._began = None

    def progress(self, now: datetime | None = None) -> RunProgress:
        """As of `now`, or of this moment."""
        now = now or datetime.now(UTC)
        elapsed = max(0.0, (now - self._began).total_seconds()) if self._began else 0.0
        return RunProgress(
            steps_finished=len(self._finished & self.steps.keys()),
            steps_planned=len(self.steps),
            draws=self._draws,
            max_draws=self._budget.max_draws,
            elapsed=round(elapsed, 3),
            remaining_estimate=self._remaining(elapsed, (now - self._last).total_seconds()),
        )

    def _took(self, at: datetime, asked: datetime | None = None) -> None:
        since = max(filter(None, (self._free, asked)), default=at)
        self._seconds += max(0.0, (at - since).total_seconds())
        self._free = at

    def _remaining(self, elapsed: float, since_last: float) -> float | None:
        """Each open step takes as many attempts as the finished ones did, and one more where it has had those."""
        if not self._whole or not self._timed:
            return None
        made = [self._attempts[index] for index in self._finished if index in self._attempts]
        usual = fmean(made) if made else 1.0
        left = [index for index, step in self.steps.items() if step.prompt and index not in self._finished]
        draws = sum(max(usual - self._attempts.get(index, 0), 1.0) for index in left)
        if self._budget.max_draws is not None:
            draws = min(draws, max(0, self._budget.max_draws - self._draws))
        seconds = max(0.0, draws * self._seconds / self._timed - max(0.0, since_last))
        if self._budget.max_seconds is not None:
            seconds = min(seconds, max(0.0, self._budget.max_seconds - elapsed))
        return round(seconds, 3)
