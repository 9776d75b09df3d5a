"""`collect` from end to end: the journal's documents, through the same split, into the same sets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from interleavethinker.errors import BadRequest, NotFound
from interleavethinker.ports import Blobs
from training.data.cards import SETS, Card, Counts
from training.data.choose import choose, without_pictures
from training.data.collect import Collector, documents
from training.data.interleaved import continuation
from training.data.pace import Say
from training.data.recipe import Making, Sizes
from training.data.sets import critic_sets, write_set
from training.data.store import Kind, read_examples, write_attempts, write_examples
from training.data.unified import Telling, telling
from training.data.values import AttemptRecord, PlannerExample

WORLD = "journal"
SHARD = 200
"""Documents in one file of attempts."""


async def collect(
    out: Path,
    url: str,
    collector: Collector,
    *,
    making: Making,
    licence: str,
    rl_share: float = 0.1,
    interleaved: float = 0.3,
    seed: int = 0,
    say: Say = print,
) -> list[Card]:
    """Make the sets under `out` of all finished runs. `rl_share`: of the attempts. Raises BadRequest, BadSettings."""
    files, planner_files, plans = [], [], 0
    number = 0
    async for examples, records in _shards(url, collector, interleaved, seed):
        name = f"{number:05d}.parquet"
        files.append(out / "work" / "attempts" / name)
        planner_files.append(out / "work" / "planner" / name)
        write_attempts(files[-1], records)
        plans += write_examples(planner_files[-1], examples, "planner")
        number += 1
        say(f"[collect] {number * SHARD} documents at most so far, {plans} planner rows")
    for what, count in sorted(collector.skipped.items()):
        say(f"[collect] passed over: {count} {what}")
    if unused := len(set(collector.labels) - collector.used):
        say(f"[collect] {unused} labels met no attempt of this journal")
    light = list(without_pictures(files))
    if not light and not plans:
        raise BadRequest("the journal holds no finished run that anything can be learned from")
    settings: dict[str, Any] = {
        "world": WORLD, "making": making.model_dump(exclude={"most_documents"}), "rl_share": rl_share,
        "labels": len(collector.labels), "scores": "judge" if collector.judge else "derived from verdicts",
    }  # fmt: skip
    notes = (
        "Requests and pictures are those of real runs: make sure that their owners agree, and look for personal data.",
        *(() if collector.judge else ("No judge scored these rows: their scores are derived from the verdicts.",)),
    )

    def card(kind: Kind, rows: int) -> Card:
        return Card(
            name=SETS[kind], kind=kind, world=WORLD, rows=rows, counts={}, seed=seed, licence=licence, made_by=settings,
            notes=notes,
        )  # fmt: skip

    cards: list[Card] = []
    if plans:
        counts = Counts()

        def rows() -> Iterator[PlannerExample]:
            for file in planner_files:
                for row in read_examples(file, "planner"):
                    counts.add(task=row.task, steps=len(row.plan.steps), pictures=len(row.images), source=row.source)
                    yield row

        cards.append(
            write_set(
                out, "planner", rows(), lambda n: card("planner", n), per_file=making.rows_per_file, counted=counts
            )
        )
    if light:
        reinforced = round(len(light) * rl_share)
        chosen = choose(light, Sizes(planner=0, critic=len(light) - reinforced, rl=reinforced), making, seed)
        cards += critic_sets(out, files, chosen, card, facts=_judged_by, per_file=making.rows_per_file)
    return cards


async def collect_tellings(url: str, blobs: Blobs) -> list[Telling]:
    """The journal's documents whose every step was accepted, as sequences for unified models. Raises BadRequest."""
    told: list[Telling] = []
    async for document, _, _ in documents(url, Counter()):
        try:
            pictures = {digest: await blobs.get(digest) for digest in document.images}
        except NotFound as error:
            raise BadRequest(f"a picture of {document.run_id} is not in --blobs: {error.detail}") from None
        if found := telling(document, pictures):
            told.append(found)
    return told


async def _shards(
    url: str, collector: Collector, interleaved: float, seed: int
) -> AsyncIterator[tuple[list[PlannerExample], list[AttemptRecord]]]:
    examples: list[PlannerExample] = []
    records: list[AttemptRecord] = []
    count = 0
    async for past in documents(url, collector.skipped):
        rng = random.Random(f"collect {seed} {past.document.run_id}")
        records += await collector.attempts(past)
        if planned := await collector.planned(past):
            example, told = planned
            examples.append(example)
            if told and rng.random() < interleaved and (cut := continuation(told, rng)):
                examples.append(cut)
        count += 1
        if count % SHARD == 0:
            yield examples, records
            examples, records = [], []
    if examples or records:
        yield examples, records


def _judged_by(record: AttemptRecord) -> dict[str, Any]:
    return {"judged by": record.source.partition(":")[2]}
