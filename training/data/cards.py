"""A data set's card: what is in it, counted, with digests, seeds and licence; as JSON and as a README that `datasets`
reads its image columns from.

Counting is done by whoever writes the rows (`Counts`). The card says nothing that was not counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from interleavethinker import __version__
from interleavethinker.errors import BadRequest
from interleavethinker.types import Digest, Value

CARD = "card.json"
SETS: dict[str, str] = {
    "planner": "Interleave-Planner-SFT",
    "critic": "Interleave-Critic-SFT",
    "rl": "Interleave-Critic-RL",
}
"""The kinds of sets, and the names of their directories."""

ABOUT: dict[str, str] = {
    "planner": "Requests, some with pictures, and the whole plan to answer each with.",
    "critic": "Single attempts at a step, and the verdict to give on each.",
    "rl": "Single attempts at a step with their scores, 0 to 10, for single-step reinforcement.",
}
_COLUMNS: dict[str, dict[str, str]] = {
    "planner": {"prompt": "string", "images": "[image]", "plan": "string", "task": "string", "source": "string"},
    "critic": {
        "prompt": "string", "last_prompt": "string", "before": "image", "after": "image", "verdict": "string",
        "source": "string",
    },
    "rl": {
        "prompt": "string", "last_prompt": "string", "before": "image", "after": "image", "scores": "string",
        "seed": "int64", "source": "string",
    },
}  # fmt: skip


class Counts:
    """Counts by dimension: `counts.add(category="stories", outcome="accept")`."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter[str]] = {}

    def add(self, **values: object) -> None:
        for dimension, value in values.items():
            if value is not None:
                self._counters.setdefault(dimension, Counter())[str(value)] += 1

    def read(self) -> dict[str, dict[str, int]]:
        """By dimension, the commonest first."""
        return {dimension: dict(counter.most_common()) for dimension, counter in sorted(self._counters.items())}


class Card(Value):
    """`made_by` says with which settings. `files` are SHA-256 by name; `data_digest` is over them all."""

    name: str
    kind: str
    world: str
    rows: int = Field(ge=0)
    counts: dict[str, dict[str, int]]
    seed: int
    licence: str
    software: str = f"interleavethinker {__version__}"
    made_by: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    files: dict[str, Digest] = {}

    @property
    def data_digest(self) -> str:
        """What a checkpoint's manifest names its data by."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()


def file_digests(directory: Path) -> dict[str, str]:
    """SHA-256 of the set's Parquet files."""
    found: dict[str, str] = {}
    for path in sorted(directory.glob("*.parquet")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def write_card(directory: Path, card: Card) -> Card:
    """card.json and README.md beside the rows; the card with the files' digests in it."""
    card = card.model_copy(update={"files": file_digests(directory)})
    facts = card.model_dump(mode="json") | {"data_digest": card.data_digest}
    (directory / CARD).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (directory / "README.md").write_text(readme(card), encoding="utf-8")
    return card


def read_card(directory: Path) -> Card:
    """Raises BadRequest where there is none, or none that can be read."""
    try:
        facts = json.loads((directory / CARD).read_text(encoding="utf-8"))
        facts.pop("data_digest", None)
        return Card.model_validate(facts)
    except FileNotFoundError:
        raise BadRequest(f"{directory} holds no {CARD}: it is no data set of ours, or was not finished") from None
    except (ValueError, ValidationError, AttributeError) as error:
        raise BadRequest(f"{directory / CARD} cannot be read: {str(error).splitlines()[0]}") from error


def check_files(directory: Path, card: Card) -> None:
    """Raises BadRequest when a file is missing or another one than was written."""
    found = file_digests(directory)
    for name, digest in card.files.items():
        if found.get(name) != digest:
            state = "is not the file that was written" if name in found else "is missing"
            raise BadRequest(f"{directory / name} {state}: make the set again")
    if extra := sorted(set(found) - set(card.files)):
        raise BadRequest(f"{directory / extra[0]} is not named in {CARD}: take it away")


def readme(card: Card) -> str:
    """The card for people; its head tells `datasets.load_dataset(directory)` which columns are images."""
    return f"{_head(card)}\n# {card.name}\n\n{ABOUT.get(card.kind, '')}\n\n{_body(card)}"


def _head(card: Card) -> str:
    lines = ["---", f"license: {card.licence.lower()}", f"pretty_name: {card.name}"]
    lines += ["configs:", "- config_name: default", '  data_files: "*.parquet"', "dataset_info:", "  features:"]
    for name, kind in _COLUMNS.get(card.kind, {}).items():
        lines += [f"  - name: {name}", f"    list: {kind[1:-1]}" if kind.startswith("[") else f"    dtype: {kind}"]
    return "\n".join([*lines, "---", ""])


def _body(card: Card) -> str:
    lines = [
        f"- rows: {card.rows}",
        f"- world: {card.world}",
        f"- seed: {card.seed}",
        f"- licence: {card.licence}",
        f"- made by: {card.software}",
        f"- digest of the data: `{card.data_digest}`",
        *(f"- {note}" for note in card.notes),
    ]
    for dimension, counted in card.counts.items():
        lines += ["", f"## By {dimension}", "", f"| {dimension} | rows | share |", "|---|---:|---:|"]
        total = sum(counted.values()) or 1
        lines += [f"| {_cell(value)} | {number} | {number / total:.1%} |" for value, number in counted.items()]
    lines += ["", "## Settings", "", "```json", json.dumps(card.made_by, indent=2, ensure_ascii=False), "```", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
