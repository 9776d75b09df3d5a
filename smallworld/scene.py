"""The small world's values: what a picture can hold, and the scenes that are made of it.

A picture is a grid of 4 x 4 cells on one of five settings. A cell is empty or holds one thing: a kind in a colour.
Cells are named as in a spreadsheet: column letter, then row number from the top, so `a1` is top left and `d4` bottom
right. No two things in a scene share both kind and colour, so "the red block" always names one thing.

This module knows no pixels (see `paint`), no words beyond the names themselves (see `prompts`), and no models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

COLUMNS = "abcd"
ROWS = "1234"
GRID = 4
CELLS: tuple[str, ...] = tuple(column + row for row in ROWS for column in COLUMNS)
"""The 16 cell names in raster order: a1 b1 c1 d1 a2 ... d4."""

CELL_PIXELS = 32
PICTURE_PIXELS = GRID * CELL_PIXELS

COLOURS: tuple[str, ...] = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")

KINDS: tuple[str, ...] = (
    "sun", "moon", "star", "cloud",
    "tree", "flower", "mushroom", "house",
    "boat", "car", "balloon", "kite",
    "fish", "bird", "cat", "butterfly",
    "snowball", "head", "hat", "ball",
    "block", "cup", "plate", "apple",
)  # fmt: skip
"""24 kinds. `head` is a snowman's: a ball with eyes and a nose."""

SETTINGS: tuple[str, ...] = ("meadow", "beach", "snow", "night", "table")


def cell_row(cell: str) -> int:
    """Row of a cell, 0 at the top."""
    return ROWS.index(cell[1])


def cell_column(cell: str) -> int:
    """Column of a cell, 0 at the left."""
    return COLUMNS.index(cell[0])


def cell_at(row: int, column: int) -> str | None:
    """The cell's name, or None outside of the grid."""
    return COLUMNS[column] + ROWS[row] if 0 <= row < GRID and 0 <= column < GRID else None


@dataclass(frozen=True, order=True)
class Thing:
    """A kind in a colour, such as a red block."""

    colour: str
    kind: str

    def __post_init__(self) -> None:
        if self.colour not in COLOURS or self.kind not in KINDS:
            raise ValueError(f"no such thing in the small world: {self.colour} {self.kind}")

    def __str__(self) -> str:
        return f"{self.colour} {self.kind}"


@dataclass(frozen=True)
class Scene:
    """A setting and the things on it. `things` maps a cell's name to what it holds; empty cells are absent."""

    setting: str
    things: Mapping[str, Thing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise ValueError(f"no such setting in the small world: {self.setting}")
        if any(cell not in CELLS for cell in self.things):
            raise ValueError(f"no such cell in the small world: {sorted(self.things)}")
        ordered = {cell: self.things[cell] for cell in CELLS if cell in self.things}
        object.__setattr__(self, "things", MappingProxyType(ordered))

    def __hash__(self) -> int:
        return hash((self.setting, tuple(self.things.items())))

    def __reduce__(self):
        return (Scene, (self.setting, dict(self.things)))

    def find(self, thing: Thing) -> str | None:
        """The cell that holds `thing`, or None."""
        return next((cell for cell, held in self.things.items() if held == thing), None)

    def replace(self, **cells: Thing | None) -> Scene:
        """A copy in which each named cell holds the given thing, or nothing for None."""
        things = {**self.things, **cells}
        return Scene(self.setting, {cell: thing for cell, thing in things.items() if thing is not None})

    def on(self, setting: str) -> Scene:
        """A copy on another setting."""
        return Scene(setting, self.things)


def is_held_out(cell: str, thing: Thing) -> bool:
    """Whether this thing at this cell is kept from training (about 8% of all combinations, chosen by digest)."""
    digest = hashlib.sha256(f"{thing} {cell}".encode()).digest()
    return digest[0] < 21
