"""Interleaved inputs for the planner: a finished sequence, cut at a random step (Task B) or shown whole (Task A).

Paper section 3. The sequence's words and pictures go into the request; what came after the cut is the plan to write.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from interleavethinker.types import IMAGE_MARKER, Plan
from training.data.values import PlannerExample


@dataclass(frozen=True)
class Told:
    """A request, its plan, and the kept picture of each step."""

    request: str
    plan: Plan
    pictures: tuple[bytes, ...]
    source: str

    def __post_init__(self) -> None:
        if len(self.pictures) != len(self.plan.steps):
            raise ValueError(f"{len(self.plan.steps)} steps, but {len(self.pictures)} pictures")


CONTINUE = (
    "{request}\nThis much is done:\n{shown}\nContinue with {left}.",
    "Here is the beginning of a sequence.\n{shown}\nThe task was: {request}\nAdd {left}.",
    "{shown}\nThat is how far we came with this: {request} Please go on with {left}.",
)
DESCRIBE = (
    "{shown}\nExplain what happens in each of these pictures.",
    "This sequence is complete.\n{shown}\nDescribe it, one part for each picture.",
    "{shown}\nWhat do these pictures show, one after the other, and what changes from each to the next?",
)


def continuation(sequence: Told, rng: random.Random) -> PlannerExample | None:
    """Task B: cut after a random step; None for a sequence of one step."""
    steps = sequence.plan.steps
    if len(steps) < 2:
        return None
    done = rng.randint(1, len(steps) - 1)
    left = len(steps) - done
    prompt = rng.choice(CONTINUE).format(
        request=_plain(sequence.request),
        shown=_shown(sequence, done),
        left="1 more step" if left == 1 else f"{left} more steps",
    )
    plan = Plan(
        steps=steps[done:],
        reasoning=f"The sequence goes on: {done} of {len(steps)} steps are given.\n{sequence.plan.reasoning}",
    )
    return PlannerExample(prompt, sequence.pictures[:done], plan, "continue", sequence.source)


def question_about(sequence: Told, rng: random.Random) -> str:
    """Task A's request: the whole sequence and a question. Its answer must come from somebody who looks."""
    return rng.choice(DESCRIBE).format(
        shown="\n".join(f"Picture {number}:\n{IMAGE_MARKER}" for number in range(1, len(sequence.pictures) + 1))
    )


def _shown(sequence: Told, done: int) -> str:
    return "\n".join(
        f"Step {step.index}: {_plain(step.text or step.name)}\n{IMAGE_MARKER}" for step in sequence.plan.steps[:done]
    )


def _plain(text: str) -> str:
    """A marker that stands in somebody's words is no picture."""
    return text.replace(IMAGE_MARKER, " ")
