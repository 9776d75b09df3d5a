"""Names over there and here: `resp_x` is the run `run_x`, `msg_x_2` and `ig_x_2` are its step 2's text and picture.

So every run, however it was asked for, can be read as a response, and an id says by itself whose it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

RESPONSE_ID = r"^(resp|run)_\w{1,35}$"
_ITEM = re.compile(r"(?:msg|ig)_(\w{1,35})_(\d{1,7})", re.ASCII)


class Place(NamedTuple):
    """A step of a run."""

    run_id: str
    step: int


def response_id(run_id: str) -> str:
    return f"resp_{run_id.removeprefix('run_')}"


def run_id(response_id: str) -> str:
    """A run's own id is taken too."""
    return f"run_{response_id.removeprefix('resp_').removeprefix('run_')}"


def item_id(kind: str, run_id: str, step: int) -> str:
    """`kind` is msg or ig."""
    return f"{kind}_{run_id.removeprefix('run_')}_{step}"


def place(item_id: str) -> Place | None:
    """Where the item stands; None for an id that is none of ours."""
    found = _ITEM.fullmatch(item_id)
    return Place(f"run_{found[1]}", int(found[2])) if found else None
