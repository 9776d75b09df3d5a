"""The rows of the data sets: what was tried and how it was scored, and what is learned from it.

Images are encoded bytes (PNG, JPEG or WebP), so that a row is whole by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from interleavethinker.types import Plan, Verdict
from training.judge import Scores


@dataclass(frozen=True)
class AttemptRecord:
    """One judged attempt at one step of a trajectory: the rawest thing that is kept.

    `prompt` is the step's original one, `last_prompt` the one drawn from, `before` None where nothing was drawn yet.
    `verdict` is the teacher's answer: why, and how to go on.
    """

    document: str
    step: int
    number: int
    prompt: str
    last_prompt: str
    before: bytes | None
    after: bytes
    seed: int
    generator: str
    scores: Scores
    verdict: Verdict
    source: str = "smallworld"


@dataclass(frozen=True)
class PlannerExample:
    """A brief (its images where the `<image>` markers stand) and the plan to write. `task`: plan, continue (Task B) or
    describe (Task A)."""

    prompt: str
    images: tuple[bytes, ...]
    plan: Plan
    task: str = "plan"
    source: str = "smallworld"


@dataclass(frozen=True)
class CriticExample:
    """One attempt, and the verdict to give."""

    prompt: str
    last_prompt: str
    before: bytes | None
    after: bytes
    verdict: Verdict
    source: str = "smallworld"


@dataclass(frozen=True)
class RlExample:
    """One attempt with its scores: what GRPO asks the critic about (paper section 3: the RL rows). A redraw is drawn
    with `seed`."""

    prompt: str
    last_prompt: str
    before: bytes | None
    after: bytes
    scores: Scores
    seed: int = 0
    source: str = "smallworld"
