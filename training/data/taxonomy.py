"""The taxonomy of real requests: main categories, sub-categories, templates and vocabulary banks, as TOML beside this.

A request is a wish of a sub-category, its gaps filled from the sub-category's banks, with a manner of telling, wrapped
in one of the category's sentences. All combinations are counted; what is handed out is never repeated. The small world
needs none of this: its families and wrappings are its own.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from math import prod
from pathlib import Path
from string import Formatter
from typing import Any

HOME = Path(__file__).parent / "subjects"


@dataclass(frozen=True)
class Request:
    """A text request and where it stands in the taxonomy. `place` is `category/sub-category`."""

    text: str
    category: str
    sub: str

    @property
    def place(self) -> str:
        return f"{self.category}/{self.sub}"


@dataclass(frozen=True)
class Counted:
    categories: int
    subs: int
    templates: int
    words: int
    requests: int


@cache
def subjects() -> dict[str, dict[str, Any]]:
    """The TOML files by category. Raises ValueError for one that cannot be used: they are ours, so it is our
    mistake."""
    found = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(HOME.glob("*.toml"))}
    for category, said in found.items():
        for sub, banks in said["sub"].items():
            for wish in banks["wishes"]:
                missing = [gap for gap in _gaps(wish) if gap not in banks]
                if missing:
                    raise ValueError(f"{category}/{sub}: {wish!r} has no bank for {missing}")
    return found


def of_sub(category: str, sub: str) -> Iterator[Request]:
    """Every request of a sub-category, in a fixed order, none twice."""
    said = subjects()[category]
    banks, seen = said["sub"][sub], set()
    for wish in banks["wishes"]:
        gaps = _gaps(wish)
        for words in product(*(banks[gap] for gap in gaps)):
            told = wish.format(**dict(zip(gaps, words, strict=True)))
            for manner, wrapping in product(said["how"], said["wrappings"]):
                text = _wrapped(told, manner, wrapping)
                if text not in seen:
                    seen.add(text)
                    yield Request(text, category, sub)


@lru_cache(maxsize=2)
def requests(seed: int) -> tuple[Request, ...]:
    """All requests in a random order in which the sub-categories take turns, so that any beginning is spread evenly."""
    rng = random.Random(f"requests {seed}")
    piles = [list(of_sub(category, sub)) for category, said in subjects().items() for sub in said["sub"]]
    for pile in piles:
        rng.shuffle(pile)
    ordered: list[Request] = []
    for turn in range(max(map(len, piles))):
        row = [pile[turn] for pile in piles if turn < len(pile)]
        rng.shuffle(row)
        ordered += row
    return tuple(ordered)


def counted() -> Counted:
    """For the data card. A template is a wrapping or a wish with gaps; words are the banks' entries."""
    found = subjects()
    subs = [banks for said in found.values() for banks in said["sub"].values()]
    return Counted(
        categories=len(found),
        subs=len(subs),
        templates=sum(len(said["wrappings"]) for said in found.values()) + sum(len(banks["wishes"]) for banks in subs),
        words=sum(len(words) for banks in subs for name, words in banks.items() if name not in ("title", "wishes"))
        + sum(len(said["how"]) for said in found.values()),
        requests=sum(
            prod(len(banks[gap]) for gap in _gaps(wish)) * len(said["how"]) * len(said["wrappings"])
            for said in found.values()
            for banks in said["sub"].values()
            for wish in banks["wishes"]
        ),
    )


def _gaps(wish: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(wish) if name]


def _wrapped(wish: str, manner: str, wrapping: str) -> str:
    told = wish if not manner else f"{wish} {manner}" if manner.startswith("and ") else f"{wish}, {manner}"
    text = wrapping.format(wish=told, Wish=told[0].upper() + told[1:])
    return text[0].upper() + text[1:]
