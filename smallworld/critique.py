"""What a critic of the small world should say, computed: the ground truth that critics are trained and measured on.

A good critic first finds the cells that the edit is about, then writes down what each cell should hold and where the
drawing differs, then gives its verdict. In one line, for a sun that shall come below a cloud:
`night b1 b2 a1 empty b1 white cloud c1 empty ... b2 yellow sun but empty ...`; "but" marks a fault and is followed by
what is there instead.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence

from interleavethinker.types import Outcome, Verdict
from smallworld.edits import Edit, apply, resolve, trail
from smallworld.measure import Reading
from smallworld.prompts import STYLES, say, style_of
from smallworld.scene import CELLS, Scene, Thing

SMUDGED = "smudged"
FAULT = "but"


def _named(thing: Thing | None) -> str:
    return str(thing) if thing else "empty"


def compare(wanted: Scene, seen: Scene, smudged: Collection[str] = (), looked_up: Sequence[str] = ()) -> str:
    """The critic's reasoning: the wanted setting, the cells that had to be looked up, then all cells in raster order,
    each fault followed by what is seen."""
    words = [wanted.setting]
    if seen.setting != wanted.setting:
        words += [FAULT, seen.setting]
    words += looked_up
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


Refine = Callable[[Edit, Scene | None, str], str]
"""What to draw next: of the step's edit, the scene before it, and the prompt that failed."""


def refine(edit: Edit, before: Scene | None, last_prompt: str) -> str:
    """The prompt that a generator understands best: the plainest wording with the place named by cell; insisting if
    that was tried already. Only an oracle knows that."""
    plain = say(resolve(edit, before))
    return plain if last_prompt != plain else say(resolve(edit, before), insisting=True)


def rewordings(rng: random.Random) -> Refine:
    """How a teacher rewrites that sees what is wrong and not how the generator likes to be told: in any style but the
    one that failed, all alike; half of the time it works out the cell itself, a quarter of the time it insists."""

    def reword(edit: Edit, before: Scene | None, last_prompt: str) -> str:
        failed = style_of(last_prompt)
        style = rng.choice([style for style in STYLES if style != failed])
        return say(resolve(edit, before) if rng.random() < 0.5 else edit, style, insisting=rng.random() < 0.25)

    return reword


def true_verdict(
    edit: Edit,
    before: Scene | None,
    seen: Scene,
    smudged: Collection[str],
    last_prompt: str,
    next_prompt: Refine = refine,
) -> Verdict:
    """The right verdict on a drawing of `edit` that shows `seen`, with `next_prompt`'s refinement. Raises Impossible
    when the edit does not fit `before`."""
    wanted = apply(edit, before)
    right = seen == wanted and not smudged
    return Verdict(
        outcome=Outcome.ACCEPT if right else Outcome.REVISE,
        refined_prompt=None if right else next_prompt(edit, before, last_prompt),
        reasoning=compare(wanted, seen, smudged, trail(edit, before)),
    )


def verdict_on_reading(
    edit: Edit, before: Scene | None, reading: Reading, last_prompt: str, next_prompt: Refine = refine
) -> Verdict:
    """The same for what the exact judge read from the pixels."""
    return true_verdict(edit, before, reading.scene, reading.smudged, last_prompt, next_prompt)
