"""What the recipe of a course may say, looked at before anything is loaded: a run of hours must not end in a missing
file. Trains nothing."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from interleavethinker.errors import BadRequest, BadSettings

TABLES: dict[str, tuple[set[str], set[str]]] = {
    "base": ({"seed", "threads", "corpus", "grounding_steps"}, set()),
    "planner": ({"seed", "threads", "recipes"}, {"start"}),
    "critic": ({"seed", "threads", "painted"}, {"start", "drawings", "drawn"}),
    "one_agent": ({"seed", "threads", "data", "planner_share", "lessons"}, {"start"}),
}
"""By course: the keys that its recipe must have, and those that it may have."""


def read_recipe(path: Path) -> dict[str, Any]:
    """The recipe's table. Raises BadSettings for a file that is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSettings(f"there is no recipe {path}: ours are in training/recipes/") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(f"the recipe {path} cannot be read: {error}") from None


def check(course: str, table: dict[str, Any], where: str) -> None:
    """Raises BadSettings or BadRequest, in one line: a key that is unknown or missing, a start that is not there, no
    data or an empty or broken set."""
    needed, more = TABLES[course] if course in TABLES else (set(), _of_a_generator())
    if strange := sorted(table.keys() - needed - more):
        raise BadSettings(
            f"{where}: {strange[0]!r} is no key of {course}: known are {', '.join(sorted(needed | more))}"
        )
    if absent := sorted(needed - table.keys()):
        raise BadSettings(f"{where}: {absent[0]!r} is missing")
    if "drawn" in table and "drawings" not in table:
        raise BadSettings(f"{where}: [drawn] needs [drawings], which says how many attempts are drawn")
    for name, stage in table.items():
        if isinstance(stage, dict) and name != "drawings":
            _check_stage(stage, f"{where}: [{name}]")
    index = "model_index.json" if course == "generator" else "config.json"
    if (start := table.get("start")) and not (Path(start) / index).is_file():
        raise BadSettings(f"{where}: start: there is no {index} in {start}: train it first, or name another")
    if "data" in table:
        from training.data.store import read_examples

        if next(iter(read_examples(Path(table["data"]), "critic")), None) is None:
            raise BadRequest(f"{table['data']} holds no example: nothing can be learned from it")


def _check_stage(stage: dict[str, Any], where: str) -> None:
    from training.sft import SftRecipe

    known = {field.name for field in fields(SftRecipe)} - {"seed", "threads"}
    if strange := sorted(stage.keys() - known):
        raise BadSettings(f"{where} {strange[0]!r} is no key of a stage: known are {', '.join(sorted(known))}")


def _of_a_generator() -> set[str]:
    from training.generator import GeneratorRecipe

    return {field.name for field in fields(GeneratorRecipe)}
