"""From attempts to what is learned: the step filter, the split by variance, the balance (paper section 3).

Pure functions over `AttemptRecord`s. A step is the list of its attempts in order.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from interleavethinker.types import Outcome, Verdict
from training.data.values import AttemptRecord, CriticExample, RlExample

Step = Sequence[AttemptRecord]
E = TypeVar("E", CriticExample, RlExample)
LOW = 5.0
"""A step none of whose attempts reaches this overall score (0 to 10) is persistently low."""


def steps_of(records: Iterable[AttemptRecord]) -> list[Step]:
    """The attempts by step; those of one step follow each other."""
    return [list(part) for _, part in groupby(records, key=lambda record: (record.document, record.step))]


def worth_learning(step: Step) -> bool:
    """The step filter: not one whose scores fall, and not a persistently low one."""
    scores = [record.scores.overall for record in step]
    return scores[-1] >= scores[0] and max(scores) >= LOW


def filter_steps(steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if worth_learning(step)]


def variance(step: Step) -> float:
    """Population variance of the overall scores of the step's attempts."""
    return statistics.pvariance([record.scores.overall for record in step])


def variance_split(steps: Sequence[Step], rl_share: float, seed: int = 0) -> tuple[list[Step], list[Step]]:
    """(for SFT, for RL): of the steps that took more than one attempt, the `rl_share` whose scores vary most go to RL;
    among equals chance decides. Of those that took one, as large a share goes too: RL must also see what is right."""
    rng = random.Random(f"split {seed}")
    several = sorted((step for step in steps if len(step) > 1), key=lambda step: (-variance(step), rng.random()))
    single = [step for step in steps if len(step) == 1]
    rng.shuffle(single)
    many, few = round(len(several) * rl_share), round(len(single) * rl_share)
    return several[many:] + single[few:], several[:many] + single[:few]


def critic_examples(steps: Iterable[Step]) -> Iterator[CriticExample]:
    """One example an attempt. The verdict is the teacher's, refinement and reasoning included."""
    for step in steps:
        for a in step:
            yield CriticExample(a.prompt, a.last_prompt, a.before, a.after, a.verdict, a.source)


def rl_examples(steps: Iterable[Step]) -> Iterator[RlExample]:
    """One example an attempt, with the scores that a redraw has to beat."""
    for step in steps:
        for a in step:
            yield RlExample(a.prompt, a.last_prompt, a.before, a.after, a.scores, a.seed, a.source)


def accepted(example: CriticExample | RlExample) -> bool:
    """What the true verdict on the example's picture is."""
    if isinstance(example, RlExample):
        return example.scores.success
    verdict: Verdict = example.verdict
    return verdict.outcome is Outcome.ACCEPT


def balance(examples: Sequence[E], seed: int = 0, right: float = 0.5) -> list[E]:
    """Resample so that a share `right` is accepted: the side there is too much of is thinned, by chance. Order is
    shuffled."""
    rng = random.Random(f"balance {seed}")
    sides = {side: [example for example in examples if accepted(example) is side] for side in (True, False)}
    if not all(sides.values()):
        return list(examples)
    total = min(len(sides[True]) / right, len(sides[False]) / (1 - right))
    chosen = rng.sample(sides[True], int(total * right)) + rng.sample(sides[False], int(total * (1 - right)))
    rng.shuffle(chosen)
    return chosen
