"""What is asked of the service and what it answered, in the same shape for every benchmark.

Deliberately not here: how a benchmark's files are read (its own module), and how an answer came to be (`runs`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Item:
    """One question. `group` is the benchmark's own category; `about` is its row as the benchmark wrote it."""

    id: str
    prompt: str
    group: str = ""
    images: tuple[Path, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One step as a reader sees it."""

    text: str
    image: Path | None = None


@dataclass(frozen=True)
class Answer:
    """What a run ended with; no parts where nothing stands."""

    status: str
    parts: tuple[Part, ...] = ()

    @property
    def images(self) -> list[Path]:
        return [part.image for part in self.parts if part.image]

    @property
    def text(self) -> str:
        """The steps' texts, numbered where there are several."""
        said = [part.text for part in self.parts if part.text]
        if len(said) < 2:
            return "".join(said)
        return "\n\n".join(f"Step {number}: {text}" for number, text in enumerate(said, 1))


def chosen(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """`limit` of the items in their own order, as evenly over the groups as they allow; all for None.

    A larger limit of the same seed holds the smaller one, so that a measurement can be made larger.
    """
    if limit is None or limit >= len(items):
        return list(items)
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    rng = random.Random(seed)
    for group in groups.values():
        rng.shuffle(group)
    turns = [(turn, at, item) for at, group in enumerate(groups.values()) for turn, item in enumerate(group)]
    taken = {item.id for _, _, item in sorted(turns, key=lambda each: each[:2])[:limit]}
    return [item for item in items if item.id in taken]
