"""Writes the three sets from what was synthesised or collected: rows in numbered files, counted, with a card each.

A set appears whole: it is written beside its place and moved there. Where rows come from is not known here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from interleavethinker.errors import BadRequest
from interleavethinker.types import Outcome
from training.data.cards import SETS, Card, Counts, write_card
from training.data.choose import Chosen, as_critic, as_rl, confident, copied
from training.data.store import Kind, Row, write_examples
from training.data.values import AttemptRecord, CriticExample

SETTINGS = "settings.json"
Facts = Callable[[AttemptRecord], dict[str, Any]]
"""What a card counts of an attempt besides what is counted of all: its category, its style of wording."""


def claim(out: Path, settings: dict[str, Any]) -> None:
    """Make `out` the place of a synthesis with these settings. Raises BadRequest when another one lies there: shards
    of two recipes must never be mixed."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / SETTINGS
    said = json.loads(json.dumps(settings))
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = sorted(name for name in {*before, *said} if before.get(name) != said.get(name))
        if changed:
            raise BadRequest(f"{out} was begun with another {' and '.join(changed)}: take another --out, or the same")
        return
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def settings_digest(settings: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def write_set(
    out: Path, kind: Kind, rows: Iterable[Row], card: Callable[[int], Card], *, per_file: int, counted: Counts
) -> Card:
    """All rows of one set into OUT/<its name>, and its card, which `card` makes of the number of rows."""
    directory = out / SETS[kind]
    fresh = directory.with_name(directory.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    rows, total = iter(rows), 0
    for number in range(1_000_000):
        first = next(rows, None)
        if first is None:
            break
        total += write_examples(fresh / f"{number:05d}.parquet", chain([first], islice(rows, per_file - 1)), kind)
    if not total:
        shutil.rmtree(fresh)
        raise BadRequest(f"{SETS[kind]} would be empty: there is nothing to make it of")
    made = write_card(fresh, card(total).model_copy(update={"counts": counted.read()}))
    shutil.rmtree(directory, ignore_errors=True)
    fresh.rename(directory)
    return made


def critic_sets(
    out: Path,
    files: Sequence[Path],
    chosen: Chosen,
    card: Callable[[Kind, int], Card],
    *,
    facts: Facts,
    per_file: int,
    painted: Iterable[CriticExample] = (),
) -> list[Card]:
    """Interleave-Critic-SFT and Interleave-Critic-RL, as far as anything was chosen for them. `painted` examples, which
    nobody drew, come after the others in the first."""
    made: list[Card] = []
    kinds: tuple[tuple[Kind, frozenset[tuple[str, int]]], ...] = (("critic", chosen.critic), ("rl", chosen.rl))
    for kind, places in kinds:
        if places:
            counts = Counts()
            rows = _counted(copied(files, places), kind, counts, facts)
            if kind == "critic":
                rows = chain(rows, _painted(painted, counts))
            made.append(write_set(out, kind, rows, partial(card, kind), per_file=per_file, counted=counts))
    return made


def _painted(examples: Iterable[CriticExample], counts: Counts) -> Iterator[Row]:
    for example in examples:
        accept = example.verdict.outcome is Outcome.ACCEPT
        counts.add(outcome="accept" if accept else "revise", verdict=example.verdict.outcome, source=example.source)
        yield example


def _counted(records: Iterable[AttemptRecord], kind: Kind, counts: Counts, facts: Facts) -> Iterator[Row]:
    for record in records:
        counts.add(
            outcome="accept" if record.scores.success else "revise",
            verdict=record.verdict.outcome,
            step=record.step,
            attempt=record.number,
            generator=record.generator,
            source=record.source.partition(":")[0],
            **facts(record),
        )
        yield as_critic(confident(record)) if kind == "critic" else as_rl(record)
