"""The rewards of single-step GRPO (paper.md section 4), as pure functions: no model, no picture, no I/O.

One answer is scored by three parts: its format, its verdict against the truth (accuracy), and what its refined prompt
made of the drawing (step). Both published variants:

    paper   R = 0.5 F + 0.5 (0.2 R_acc + 0.8 R_step)     R_acc = -|verdict - truth|, R_step = S_new - S_old, S in 0..1
    code    R = 0.5 F + 0.5 (0.2 acc + 0.6 sem + 0.2 qual)   acc in {0, 1}, sem = ((S_new - S_old) / 10 + 1) / 2

What neither spells out, and is settled here:

- An answer that is not in the strict envelope earns 0 in all, which is the least that any answer can earn.
- Where the truth is "success" nothing is redrawn, whatever the verdict: the step part is that of an unchanged picture.
- A missing refinement (a wrong drawing accepted) earns nothing: it is scored as though the next picture had scored 0.
  So accepting a wrong drawing is never better than refusing it, whatever the refinement does; scored as "unchanged" it
  would be better than any refinement that fails, and policies find that within 30 steps.
- A redraw that failed or timed out earns no number: the sample is dropped (`Judged.dropped`) and `reward` refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from interleavethinker.codec import CriticCodec
from interleavethinker.errors import BadSettings, Malformed
from interleavethinker.types import Outcome, Verdict
from training.judge import Scores

NOTHING = Scores(semantics=0, quality=0, success=False)
"""The scores of a picture that nobody drew: what a missing refinement is held to have made."""


@dataclass(frozen=True)
class RewardRecipe:
    """Weights of the reward. An ablation is a line: `step = 0.0` or `accuracy = 0.0`.

    `accuracy` and `step` are weighed within the outcome; the code's variant gives `quality_share` of the step's weight
    to quality (0.8 * 0.25 = 0.2) and the rest to semantics (0.6).
    """

    variant: Literal["paper", "code"] = "paper"
    format: float = 0.5
    outcome: float = 0.5
    accuracy: float = 0.2
    step: float = 0.8
    quality_share: float = 0.25

    def __post_init__(self) -> None:
        if self.variant not in ("paper", "code"):
            raise BadSettings(f'reward.variant is {self.variant!r}: write "paper" or "code"')
        weights = {name: getattr(self, name) for name in ("format", "outcome", "accuracy", "step", "quality_share")}
        for name, weight in weights.items():
            if not 0 <= weight <= 1:
                raise BadSettings(f"reward.{name} is {weight}: write a number from 0 to 1")


class Judged(NamedTuple):
    """One answer with all that its reward depends on.

    `verdict`: None when the answer is malformed. `old`: the recorded attempt's scores, whose `success` is the truth.
    `new`: the redraw's scores, None where nothing was to be redrawn. `dropped`: a redraw was due and failed.
    """

    verdict: Verdict | None
    old: Scores
    new: Scores | None = None
    dropped: bool = False


class Reward(NamedTuple):
    """The total and its parts, unweighted: format in {0, 1}, accuracy and step in the variant's own ranges."""

    total: float
    format: float
    accuracy: float
    step: float


def read_verdict(codec: CriticCodec, answer: str) -> Verdict | None:
    """The verdict of an answer in the strict envelope; None for anything else (no thoughts, junk around, damage)."""
    try:
        return codec.read(answer)
    except Malformed:
        return None


def redraw_prompt(verdict: Verdict | None, truth: bool) -> str | None:
    """The prompt to redraw with: only a wrong drawing that was refused is redrawn."""
    return verdict.refined_prompt if verdict is not None and not truth else None


def right(judged: Judged) -> bool:
    """Whether the verdict is the truth. A malformed answer is not."""
    return judged.verdict is not None and (judged.verdict.outcome is Outcome.ACCEPT) == judged.old.success


def accuracy_reward(judged: Judged, recipe: RewardRecipe) -> float:
    """paper: -|verdict - truth|, 0 when right and -1 when wrong; code: 1 and 0."""
    return float(right(judged)) - (1.0 if recipe.variant == "paper" else 0.0)


def step_reward(judged: Judged, recipe: RewardRecipe) -> float:
    """What the refinement made better. paper: the overall score's gain, -1..1; code: gains of semantics and quality,
    each mapped to 0..1 (no change: 0.5) and weighed by `quality_share`."""
    old = judged.old
    new = old if old.success else judged.new or NOTHING
    if recipe.variant == "paper":
        return (new.overall - old.overall) / 10
    semantics = ((new.semantics - old.semantics) / 10 + 1) / 2
    quality = ((new.quality - old.quality) / 10 + 1) / 2
    return (1 - recipe.quality_share) * semantics + recipe.quality_share * quality


def reward(judged: Judged, recipe: RewardRecipe = RewardRecipe()) -> Reward:
    """The reward of one answer. Raises ValueError for a dropped one, which must not earn a number."""
    if judged.dropped:
        raise ValueError("a dropped sample has no reward: leave it out")
    accuracy, step = accuracy_reward(judged, recipe), step_reward(judged, recipe)
    if judged.verdict is None:
        return Reward(0.0, 0.0, accuracy, step)
    total = recipe.format + recipe.outcome * (recipe.accuracy * accuracy + recipe.step * step)
    return Reward(total, 1.0, accuracy, step)
