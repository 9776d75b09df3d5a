"""The loop's small rules as pure functions: seeds, when a verdict settles an attempt, which attempt is kept, when to
stop.

Nothing here waits, draws or records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from interleavethinker.errors import InterleaveError
from interleavethinker.types import STRICT_CONFIDENCE, Budget, CriticMode, ImageRef, Outcome, Verdict


class BudgetSpent(InterleaveError):
    """The request's own limit ended the run; its finished steps stand."""

    code = "budget_spent"


class Attempt(NamedTuple):
    """What the loop remembers of an attempt. `accepted`: True, False (draw again), or None when nobody could say."""

    number: int
    prompt: str
    image: ImageRef
    verdict: Verdict | None = None
    accepted: bool | None = None

    @property
    def next_prompt(self) -> str:
        """What a redraw is drawn from: the critic's refined prompt, or the same one after an accept that was not
        sure."""
        revised = self.verdict.refined_prompt if self.verdict and self.verdict.outcome is Outcome.REVISE else None
        return revised or self.prompt


def attempt_seed(seed: int, step: int, number: int) -> int:
    """The 32-bit seed of an attempt. Each attempt has its own, so that a redraw is another picture even at the same
    prompt; the same on every machine and in every process, so that a resumed run names the same jobs."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}/{number}".encode()).digest()[:4], "big")


def stands(verdict: Verdict, mode: CriticMode) -> bool | None:
    """Whether the attempt is accepted; None when the critic abstained (the attempt stands, unjudged).

    In strict mode an accept must be sure as well. A critic that knows no confidence is taken at its word, since
    otherwise a backend without logprobs could never accept anything.
    """
    if verdict.outcome is Outcome.ABSTAIN:
        return None
    sure = mode is not CriticMode.STRICT or verdict.accept_probability >= STRICT_CONFIDENCE
    return verdict.outcome is Outcome.ACCEPT and sure


def best(attempts: Sequence[Attempt]) -> Attempt:
    """The attempt that stands, else the one the critic holds most probably right; at a tie the later, more refined
    one. Differences below a hundredth are ties: a critic that reasons first has decided before its verdict's word, and
    what is left of its doubt there is noise."""

    def rank(attempt: Attempt) -> tuple[bool, float, int]:
        probability = attempt.verdict.accept_probability if attempt.verdict else 0.0
        return attempt.accepted is not False, round(probability, 2), attempt.number

    return max(attempts, key=rank)


def next_prompt(attempts: Sequence[Attempt], candidates: int = 1) -> str | None:
    """What the attempt after these is drawn from; None where the step is settled.

    Attempts after the first one come in groups of `candidates` from the same prompt. A group is drawn to its end, since
    its surest one is kept; only then it settles the step, or its best one's refined prompt is the next group's.
    """
    group = attempts[-(1 + (len(attempts) - 2) % candidates) :] if len(attempts) > 1 else attempts
    if len(attempts) > 1 and len(group) < candidates:
        return attempts[-1].prompt
    kept = best(group)
    return None if kept.accepted is not False else kept.next_prompt


def limit_reached(budget: Budget, draws: int, seconds: float) -> str | None:
    """Which limit forbids another drawing, in words for the caller; None while there is room."""
    if budget.max_draws is not None and draws >= budget.max_draws:
        return f"budget.max_draws = {budget.max_draws} drawings are spent"
    if budget.max_seconds is not None and seconds >= budget.max_seconds:
        return f"budget.max_seconds = {budget.max_seconds:g} seconds are over"
    return None
