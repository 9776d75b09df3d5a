"""What a critic of the small world should say, computed: the ground truth that critics are trained and measured on.

A good critic first writes down what each cell should hold and where the drawing differs, then gives its verdict. In
one line: `night a1 empty b1 yellow sun but empty c1 empty ...`; "but" marks a fault and is followed by what is there
instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from interleavethinker.types import Outcome, Verdict
from smallworld.measure import Reading
from smallworld.prompts import Edit, apply, insist, resolve, say
from smallworld.scene import CELLS, Scene, Thing

SMUDGED = "smudged"
FAULT = "but"


def _named(thing: Thing | None) -> str:
    return str(thing) if thing else "empty"


def compare(wanted: Scene, seen: Scene, smudged: Collection[str] = ()) -> str:
    """The critic's reasoning: the wanted setting and cells in raster order, each fault followed by what is seen."""
    words = [wanted.setting]
    if seen.setting != wanted.setting:
        words += [FAULT, seen.setting]
    for cell in CELLS:
        want, have = _named(wanted.things.get(cell)), _named(seen.things.get(cell))
        have = SMUDGED if cell in smudged else have
        words += [cell, want] + ([FAULT, have] if have != want else [])
    return " ".join(words)


def faults(reasoning: str) -> Mapping[str, str]:
    """Cell (or "setting") -> "wanted but seen" for each fault in a reasoning: the part that a person wants to read."""
    found: dict[str, str] = {}
    parts: list[tuple[str, list[str]]] = [("setting", [])]
    for word in reasoning.split():
        if word in CELLS:
            parts.append((word, []))
        else:
            parts[-1][1].append(word)
    for place, words in parts:
        if FAULT in words:
            found[place] = " ".join(words)
    return found


def refine(edit: Edit, before: Scene | None, last_prompt: str) -> str:
    """The prompt to try next: the plainest wording with the place named by cell; insisting if that was tried
    already."""
    plain = say(resolve(edit, before))
    return plain if last_prompt != plain else insist(resolve(edit, before))


def ideal_verdict(edit: Edit, before: Scene | None, seen: Scene, smudged: Collection[str], last_prompt: str) -> Verdict:
    """The right verdict on a drawing of `edit` that shows `seen`. Raises Impossible when the edit does not fit
    `before`."""
    wanted = apply(edit, before)
    right = seen == wanted and not smudged
    return Verdict(
        outcome=Outcome.ACCEPT if right else Outcome.REVISE,
        refined_prompt=None if right else refine(edit, before, last_prompt),
        reasoning=compare(wanted, seen, smudged),
    )


def verdict_on_reading(edit: Edit, before: Scene | None, reading: Reading, last_prompt: str) -> Verdict:
    """The same for what the exact judge read from the pixels."""
    return ideal_verdict(edit, before, reading.scene, reading.smudged, last_prompt)
