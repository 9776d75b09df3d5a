"""The picture in docs/architecture.md, the contracts in .importlinter and the code say the same."""

from __future__ import annotations

import configparser
import re
from itertools import permutations
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
ARROW = re.compile(r"^ +([\w.]+) --> ([\w.]+)$", re.MULTILINE)

Arrow = tuple[str, str]


def drawn() -> set[Arrow]:
    """The picture's arrows: (importer, imported)."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return set(ARROW.findall(text.split("```mermaid")[1].split("```")[0]))


ROOMS = sorted({room for arrow in drawn() for room in arrow})


def forbidden() -> set[Arrow]:
    """The pairs of rooms between which a contract forbids every import."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    found: set[Arrow] = set()
    for name in contracts.sections():
        contract = contracts[name]
        if contract.get("type") == "forbidden":
            sources, targets = contract["source_modules"].split(), contract["forbidden_modules"].split()
            found |= {(a, b) for a in ROOMS for b in ROOMS if within(a, sources) and within(b, targets)}
        elif contract.get("type") == "independence":
            found |= set(permutations(contract["modules"].split(), 2))
    return found


def within(room: str, modules: list[str]) -> bool:
    return any(room == module or room.startswith(f"{module}.") for module in modules)


def imported() -> set[Arrow]:
    """The pairs of rooms between which there is an import."""
    graph = grimp.build_graph(
        "interleavethinker", "services", "smallworld", "training", "evaluation", "bench", cache_dir=None
    )
    pairs = {
        (room_of(module), room_of(other))
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
    }
    return {(a, b) for a, b in pairs if a and b and a != b}


def room_of(module: str) -> str | None:
    return next((room for room in ROOMS if within(module, [room])), None)


def test_the_picture_shows_every_import_between_rooms_and_no_other():
    assert drawn() == imported()


def test_no_arrow_goes_through_a_wall():
    assert drawn() & forbidden() == set()


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("training", "evaluation", "bench")])
def test_where_a_serving_room_has_no_arrow_there_is_a_wall(room: str):
    open_ways = {other for other in ROOMS if other != room} - {b for a, b in forbidden() | drawn() if a == room}
    assert open_ways == set()
