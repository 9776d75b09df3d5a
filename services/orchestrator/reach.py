"""How far ahead of a run's loop is worked, as the settings say it."""

from __future__ import annotations

from typing import NamedTuple


class Reach(NamedTuple):
    """How far ahead is worked. `depth`: verdicts that a guess may hang on, 0: nothing is guessed. `worth`: how probable
    it must be that it will be asked for. `side_by_side`: things certain to be asked for that are begun at a time, 0:
    each in its turn. `judging`: a drawing is judged ahead of its turn while fewer judgements than this are under way
    that loops have asked for, 0: never."""

    depth: int = 0
    worth: float = 0.3
    side_by_side: int = 0
    judging: int = 0
