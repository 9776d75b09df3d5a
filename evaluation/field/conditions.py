"""The rows of a benchmark's table, as settings of requests: the generator alone, the planner, the planner with the
critic (docs/decisions/0066-the-generator-alone-over-the-api.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interleavethinker.errors import BadRequest


@dataclass(frozen=True)
class Condition:
    """`wishes` are fields of POST /interleave. `alone`: the plan is replaced by one step whose prompt is the "
    "request."""

    name: str
    wishes: Mapping[str, Any]
    alone: bool = False


ALONE = "generator_alone"
PLANNER = "planner_only"
CRITIC = "planner_critic"
NAMES = (ALONE, PLANNER, CRITIC)


def conditions(names: Sequence[str], *, attempts: int, critic: str, wishes: Mapping[str, Any]) -> list[Condition]:
    """The rows of these names in the table's order, all for none. `wishes` hold for all of them. Raises "
    "BadRequest."""
    if strange := [name for name in names if name not in NAMES]:
        raise BadRequest(f"no row is called {', '.join(strange)}: choose from {', '.join(NAMES)}")
    once = {**wishes, "critic": "off", "max_attempts": 1}
    every = (
        Condition(ALONE, {**once, "max_steps": 1, "review_plan": True}, alone=True),
        Condition(PLANNER, once),
        Condition(CRITIC, {**wishes, "critic": critic, "max_attempts": attempts}),
    )
    return [each for each in every if not names or each.name in names]
