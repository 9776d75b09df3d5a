"""How a run ends: done, or cut short by an error, as far as it has come. Nothing here waits or writes."""

from __future__ import annotations

import structlog

from interleavethinker.document import Document
from interleavethinker.errors import InterleaveError, Malformed
from interleavethinker.events import Finished, Planned, Problem, Status
from services.orchestrator.rounds import Round
from services.orchestrator.rules import BudgetSpent

log = structlog.get_logger(__name__)


class ReplicasLost(InterleaveError):
    """Whoever works on the run dies or falls silent; perhaps it is the run that kills them."""

    code = "replicas_lost"
    retryable = True

    def __init__(self, losses: int) -> None:
        super().__init__(
            f"{losses} orchestrators in a row died or fell silent while they worked on this run, and nothing new was "
            "recorded; see in their logs why, by its id, and resume it then"
        )


def done(document: Document, now: Round) -> Finished:
    """The end of a round that did what it was asked to; what it was not asked for may be undrawn still."""
    planned = any(isinstance(event, Planned) for event in now.past)
    if now.ground.wished_only and not (planned and all(step.finished for step in document.steps)):
        return Finished(status=Status.PARTIAL, problem=now.problem)
    return Finished(status=Status.SUCCEEDED)


def cut_short(error: Exception, *, stands: bool) -> Finished:
    """What the error makes of the run; `stands`: a step is finished. A limit that the caller set is no failure, even
    before the first step."""
    stands = stands or isinstance(error, BudgetSpent)
    return Finished(status=Status.PARTIAL if stands else Status.FAILED, problem=problem_of(error))


def problem_of(error: Exception) -> Problem:
    if isinstance(error, InterleaveError):
        raw = error.raw if isinstance(error, Malformed) else None
        return Problem(code=error.code, detail=error.detail, retryable=error.retryable, raw=raw)
    log.error("unexpected error in a run", exc_info=error)
    return Problem(code=InterleaveError.code, detail="an unexpected error; the orchestrator's log has it by run id")
