"""Which attempts go into which set: filter, variance split, balance, sizes; over records that carry no pictures.

A set may hold more pictures than fit into memory. So attempts are read without them, with the name of their row in
`after`'s place; what is chosen is then copied from file to file (`copied`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from interleavethinker.types import Verdict
from training.data.recipe import Making, Sizes
from training.data.splits import (
    E,
    accepted,
    balance,
    critic_examples,
    filter_steps,
    rl_examples,
    steps_of,
    variance_split,
)
from training.data.store import read_examples
from training.data.values import AttemptRecord, CriticExample, RlExample
from training.judge import Scores

Place = tuple[str, int]
"""A file's name and the row in it."""
SHARES = (1.0, 0.5, 0.7, 1.4, 2.0)
"""What the share of steps for RL is tried at, in multiples of the sizes' own: which fits depends on the attempts."""


@dataclass(frozen=True)
class Chosen:
    critic: frozenset[Place]
    rl: frozenset[Place]
    attempts: int
    steps: int
    kept: int
    """Steps that passed the filter."""

    def filled(self, sizes: Sizes) -> float:
        """The fuller share of the emptier set; at least 1 when both are full."""
        return min(_share(len(self.critic), sizes.critic), _share(len(self.rl), sizes.rl))


class Looking:
    """When to look at all attempts again: that takes time which grows with what there is, so that after each of a
    thousand shards it would be most of a run."""

    def __init__(self) -> None:
        self._at = 1

    def due(self, shards: int) -> bool:
        return shards >= self._at

    def looked(self, shards: int, filled: float) -> None:
        """Next when a tenth more is there, or when what is missing may have come."""
        need = shards / filled if filled else 2.0 * shards
        self._at = max(shards + 1, min(round(1.1 * shards), round(need)))


def without_pictures(files: Sequence[Path]) -> Iterator[AttemptRecord]:
    """The attempts of these files, each with its place in `after`: `name:row`."""
    columns = [
        "document",
        "step",
        "number",
        "prompt",
        "last_prompt",
        "seed",
        "generator",
        "scores",
        "verdict",
        "source",
    ]
    for file in files:
        for row, plain in enumerate(pq.read_table(file, columns=columns).to_pylist()):
            plain |= {
                "scores": Scores.model_validate_json(plain["scores"]),
                "verdict": Verdict.model_validate_json(plain["verdict"]),
            }
            yield AttemptRecord(**plain, before=None, after=f"{file.name}:{row}".encode())


def choose(records: Sequence[AttemptRecord], sizes: Sizes, making: Making, seed: int) -> Chosen:
    """The rows of the critic's two sets. Attempts of one step never go into both."""
    steps = steps_of(records)
    kept = filter_steps(steps) if making.filtered else list(steps)
    wanted = sizes.critic + sizes.rl
    best: Chosen | None = None
    for times in SHARES if sizes.critic and sizes.rl else (1.0,):
        share = min(0.9, times * sizes.rl / wanted) if sizes.critic else 1.0
        to_learn, to_reinforce = variance_split(kept, share, seed)
        sft = trimmed(balance(list(critic_examples(to_learn)), seed, making.right), sizes.critic, making.right)
        rl = trimmed(balance(list(rl_examples(to_reinforce)), seed, making.right), sizes.rl, making.right)
        found = Chosen(_places(sft), _places(rl), len(records), len(steps), len(kept))
        if best is None or found.filled(sizes) > best.filled(sizes):
            best = found
        if best.filled(sizes) >= 1:
            break
    assert best is not None
    return best


def trimmed(examples: Sequence[E], size: int, right: float) -> list[E]:
    """The first `size` of shuffled examples, in the same proportion of accepted ones; fewer where there are not
    enough."""
    if len(examples) <= size:
        return list(examples)
    most = {True: round(size * right), False: size - round(size * right)}
    chosen: list[E] = []
    for side in (True, False):
        chosen += [example for example in examples if accepted(example) is side][: most[side]]
    return chosen


def copied(files: Sequence[Path], places: frozenset[Place]) -> Iterator[AttemptRecord]:
    """The chosen attempts, whole, in the order of their files."""
    wanted = {name for name, _ in places}
    for file in files:
        if file.name in wanted:
            for row, record in enumerate(read_examples(file, "attempts")):
                if (file.name, row) in places:
                    yield record


def _places(examples: Sequence[CriticExample | RlExample]) -> frozenset[Place]:
    return frozenset(_place(example.after) for example in examples)


def _place(after: bytes) -> Place:
    name, _, row = after.decode().rpartition(":")
    return name, int(row)


def _share(have: int, want: int) -> float:
    return have / want if want else 1.0


def as_critic(record: AttemptRecord) -> CriticExample:
    return next(iter(critic_examples([[record]])))


def as_rl(record: AttemptRecord) -> RlExample:
    return next(iter(rl_examples([[record]])))


def confident(record: AttemptRecord) -> AttemptRecord:
    """The record without the teacher's confidence, which no model is taught."""
    return replace(record, verdict=record.verdict.model_copy(update={"confidence": None}))
