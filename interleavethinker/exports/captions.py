"""Texts cut to size for slides: blocks as plain paragraphs, and how many slides they need at which size.

Widths are estimates (`scripts.width`), on the safe side; nothing is measured with a font. Deliberately not here: the
slides (`slides`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from interleavethinker.exports.prose import Block, Run, words
from interleavethinker.exports.scripts import Direction, width

SIZES = (24, 20, 18, 16, 14)
"""Points, from the one that is best to read down to the smallest; longer texts go on on another slide."""
LINE, GAP = 1.28, 0.4
"""Heights of a line and of the space after a paragraph, in ems."""
_PIECES = re.compile(r"\S+\s*|\s+")
_LONGEST_PIECE = 12
_FEWEST_LINES = 2


@dataclass(frozen=True)
class Caption:
    """One paragraph on a slide. `inset`: how many lists deep; `lead`: its bullet or number."""

    runs: tuple[Run, ...]
    language: str = "en"
    direction: Direction = "ltr"
    inset: int = 0
    lead: str = ""
    soft: bool = False

    def lines(self, ems: float) -> int:
        """How many lines it takes in a column of so many ems."""
        column = max(ems - 1.5 * self.inset, 4)
        return sum(
            max(1, math.ceil(width(line) * 1.06 / column)) for line in f"{self.lead} {words(self.runs)}".split("\n")
        )


def captions(blocks: Iterable[Block], *, soft: bool = False, inset: int = 0) -> Iterator[Caption]:
    for block in blocks:
        if block.kind == "list":
            for number, item in enumerate(block.blocks, start=block.start or 0):
                lead = "•" if block.start is None else f"{number}."
                for place, each in enumerate(captions(item.blocks, soft=soft, inset=inset + 1)):
                    yield each if place or each.lead else replace(each, lead=lead)
        elif block.kind == "quote":
            yield from captions(block.blocks, soft=True, inset=inset + 1)
        elif block.kind == "table":
            for place, row in enumerate(block.rows):
                cells = [replace(run, bold=run.bold or not place) for cell in row for run in (*cell, Run("   "))]
                yield Caption(tuple(cells[:-1]), block.language, block.direction, inset, soft=soft)
        elif block.kind != "rule":
            bold = block.kind == "heading"
            runs = tuple(replace(run, bold=run.bold or bold) for run in block.runs)
            yield Caption(runs, block.language, block.direction, inset, soft=soft)


def arranged(all_: Sequence[Caption], wide: float, high: float) -> tuple[int, list[list[Caption]]]:
    """The size in points, and the captions slide by slide, for a box of so many points."""
    for size in SIZES:
        if sum(_height(each, wide / size) for each in all_) * size <= high:
            return size, [list(all_)]
    size, ems = SIZES[-1], wide / SIZES[-1]
    slides: list[list[Caption]] = [[]]
    left = high / size
    for caption in all_:
        rest: Caption | None = caption
        while rest:
            if slides[-1] and left < min(rest.lines(ems), _FEWEST_LINES) * LINE + GAP:
                slides.append([])
                left = high / size
            here, rest = _cut(rest, ems, max(1, int((left - GAP) / LINE)))
            slides[-1].append(here)
            left -= _height(here, ems)
    return size, slides


def _height(caption: Caption, ems: float) -> float:
    return caption.lines(ems) * LINE + GAP


def _cut(caption: Caption, ems: float, lines: int) -> tuple[Caption, Caption | None]:
    """As much of the caption as so many lines hold, and the rest: cut between words, or where words are not spaced
    between characters."""
    if caption.lines(ems) <= lines:
        return caption, None
    pieces = [piece for run in caption.runs for piece in _pieces(run)]
    fits = 1
    while replace(caption, runs=tuple(pieces[: fits + 1])).lines(ems) <= lines:
        fits += 1
    rest = replace(caption, runs=_joined(pieces[fits:]), lead="")
    return replace(caption, runs=_joined(pieces[:fits])), rest


def _joined(pieces: Sequence[Run]) -> tuple[Run, ...]:
    """Neighbours in one style as one run."""
    runs: list[Run] = []
    for piece in pieces:
        if runs and not piece.line and replace(piece, text="") == replace(runs[-1], text="", line=False):
            runs[-1] = replace(runs[-1], text=runs[-1].text + piece.text)
        else:
            runs.append(piece)
    return tuple(runs)


def _pieces(run: Run) -> Iterator[Run]:
    found = _PIECES.findall(run.text) or [""]
    pieces = [it[at : at + _LONGEST_PIECE] for it in found for at in range(0, max(len(it), 1), _LONGEST_PIECE)]
    for place, piece in enumerate(pieces):
        yield replace(run, text=piece, line=run.line and not place)
