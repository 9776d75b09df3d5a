"""The rows of the ablation table (issue: the paper's table, with the controls that it lacks), as data.

A row says who plans, who draws, who judges, and how often a step may be drawn. Rows that say the same are the same
runs. Which checkpoint directory stands behind a name is the business of a small TOML (`read_checkpoints`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from interleavethinker.errors import BadRequest

ORACLE = "oracle"
NOBODY = "nobody"
"""As a planner: the request itself is the one prompt, and one picture is drawn."""

GENERATORS = ("generator", "second_generator")
CHECKPOINTS = (
    "planner",
    *GENERATORS,
    "critic_sft",
    "critic_rl",
    "rl_no_step_reward",
    "rl_no_accuracy_reward",
    "one_agent",
    "unfiltered",
)
T_MAX = 5


@dataclass(frozen=True)
class Row:
    """One condition. `planner`, `critic` and `generator` are checkpoint names; `critic` None: every first attempt
    stands. `reseed`: what is refused is drawn again from the same words."""

    name: str
    planner: str = "planner"
    critic: str | None = None
    attempts: int = T_MAX
    reseed: bool = False
    generator: str = "generator"

    @property
    def runs(self) -> Row:
        """The row without its name: equal for rows that are the same runs."""
        return replace(self, name="")

    @property
    def needs(self) -> tuple[str, ...]:
        """The checkpoints that the row cannot be measured without."""
        used = dict.fromkeys((self.generator, self.planner, self.critic or NOBODY))
        return tuple(name for name in used if name not in (ORACLE, NOBODY))


FIRST_GENERATOR = (
    Row("generator_alone", planner=NOBODY, attempts=1),
    Row("planner_only", attempts=1),
    Row("critic_sft", critic="critic_sft"),
    Row("critic_rl", critic="critic_rl"),
    Row("rl_no_step_reward", critic="rl_no_step_reward"),
    Row("rl_no_accuracy_reward", critic="rl_no_accuracy_reward"),
    Row("one_agent", planner="one_agent", critic="one_agent"),
    Row("tmax_1", critic="critic_rl", attempts=1),
    Row("tmax_3", critic="critic_rl", attempts=3),
    Row("tmax_5", critic="critic_rl", attempts=5),
    Row("unfiltered", critic="unfiltered"),
    Row("reseed_only", critic="critic_rl", reseed=True),
    Row("reseed_only_sft", critic="critic_sft", reseed=True),
    Row("oracle", planner=ORACLE, critic=ORACLE),
    Row("oracle_critic", critic=ORACLE),
)
TRANSFERRED = ("planner_only", "critic_sft", "critic_rl", "reseed_only", "oracle")
ROWS: tuple[Row, ...] = FIRST_GENERATOR + tuple(
    replace(row, name=f"transfer_{row.name}", generator="second_generator")
    for row in FIRST_GENERATOR
    if row.name in TRANSFERRED
)


def chosen_rows(names: Sequence[str]) -> tuple[Row, ...]:
    """The rows of these names in the table's order, all for none. Raises BadRequest for a name that is no row's."""
    known = [row.name for row in ROWS]
    if strange := [name for name in names if name not in known]:
        raise BadRequest(f"no row is called {', '.join(strange)}: choose from {', '.join(known)}")
    return tuple(row for row in ROWS if not names or row.name in names)


def read_checkpoints(path: Path) -> dict[str, Path]:
    """Checkpoint name -> directory, relative to where the command runs. Raises BadRequest for a file that does not say
    it so."""
    try:
        told = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise BadRequest(f"there is no {path}: --checkpoints names a TOML with {', '.join(CHECKPOINTS)}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{path} is not TOML: {error}") from None
    if strange := sorted(set(told) - set(CHECKPOINTS)):
        raise BadRequest(f"{path}: unknown {', '.join(strange)}; the keys are {', '.join(CHECKPOINTS)}")
    if wrong := [name for name, directory in told.items() if not isinstance(directory, str)]:
        raise BadRequest(f'{path}: {", ".join(wrong)} must be a directory in quotes, such as "checkpoints/critic"')
    return {name: Path(directory) for name, directory in told.items()}


def missing(checkpoints: dict[str, Path], name: str) -> str | None:
    """Why a checkpoint cannot be used, in words; None when it lies there."""
    if name not in checkpoints:
        return f"no directory is given for {name}"
    file = "model_index.json" if name in GENERATORS else "config.json"
    return None if (checkpoints[name] / file).is_file() else f"{name} is not at {checkpoints[name]} (no {file})"


def split_rows(rows: Sequence[Row], checkpoints: dict[str, Path]) -> tuple[tuple[Row, ...], list[dict[str, str]]]:
    """The rows that can be measured, and each other one with the reason."""
    left_out = [
        {"row": row.name, "reason": "; ".join(reasons)}
        for row in rows
        if (reasons := [reason for name in row.needs if (reason := missing(checkpoints, name))])
    ]
    absent = {entry["row"] for entry in left_out}
    return tuple(row for row in rows if row.name not in absent), left_out
