"""The three sets of the small world, at any size: requests are procedural, the judge is exact, generators really draw.

Everything is a function of the seed and a number, and lies in shards: killed at any moment, the same command goes on.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from interleavethinker.checkpoint import read_manifest
from interleavethinker.errors import BadRequest
from interleavethinker.settings import find_path
from smallworld.prompts import Unreadable, read
from smallworld.recipes import FAMILIES
from training.data.cards import SETS, Card, Counts
from training.data.choose import Chosen, Looking, choose, without_pictures
from training.data.pace import Pace, Say
from training.data.recipe import DataRecipe, Sizes
from training.data.sets import claim, critic_sets, write_set
from training.data.store import Kind, read_examples, write_attempts, write_examples
from training.data.values import AttemptRecord, CriticExample, PlannerExample

WORLD = "smallworld"


def small_world(out: Path, recipe: DataRecipe, sizes: Sizes, say: Say = print) -> list[Card]:
    """Make the sets under `out`, or what is still missing of them. Raises BadRequest, BadSettings."""
    assert recipe.smallworld, "the caller checks that the recipe has a [smallworld]"
    directories = [_pipeline(path) for path in recipe.smallworld.generators] if sizes.critic or sizes.rl else []
    names = [_name(path) for path in directories]
    settings: dict[str, Any] = {
        "world": WORLD,
        "seed": recipe.seed,
        "sizes": sizes.model_dump(),
        "making": recipe.making.model_dump(exclude={"most_documents"}),
        "generators": names,
        "painted": recipe.smallworld.painted,
    }
    claim(out, settings)

    def card(kind: Kind, rows: int) -> Card:
        notes = ("Rows stand in the order of their documents: shuffle them.",)
        return Card(
            name=SETS[kind], kind=kind, world=WORLD, rows=rows, counts={}, seed=recipe.seed, licence=recipe.licence,
            made_by=settings, notes=notes,
        )  # fmt: skip

    cards: list[Card] = []
    if sizes.planner:
        cards.append(_planner(out, recipe, sizes.planner, card, say))
    if sizes.critic or sizes.rl:
        painted = round(sizes.critic * recipe.smallworld.painted)
        drawn = sizes.model_copy(update={"critic": sizes.critic - painted})
        files, chosen = _trajectories(out, recipe, drawn, list(zip(names, directories, strict=True)), say)
        made = critic_sets(
            out, files, chosen, card, facts=facts, per_file=recipe.making.rows_per_file,
            painted=(painted_example(recipe.seed, number) for number in range(painted)),
        )  # fmt: skip
        say(
            f"[critic] {chosen.attempts} attempts at {chosen.steps} steps, {chosen.kept} passed the filter: "
            f"{len(chosen.critic)} rows for SFT and {painted} painted ones, {len(chosen.rl)} for RL"
        )
        cards += made
    return cards


def planner_example(seed: int, number: int) -> PlannerExample:
    """Row `number` of the planner's set: a whole plan, a continuation of a sequence that is cut at a random step (Task
    B), or a description of one (Task A)."""
    from training.lessons import planner_lesson

    lesson = planner_lesson(random.Random(f"planner {seed} {number}"), held_out=False)
    pictures = tuple(encoded(picture) for picture in lesson.pictures)
    return PlannerExample(lesson.brief.prompt, pictures, lesson.plan, lesson.kind, WORLD)


def painted_example(seed: int, number: int) -> CriticExample:
    """An attempt that was painted, right or with faults that the generators seldom make."""
    from training.lessons import BLANK, critic_lesson

    lesson = critic_lesson(random.Random(f"painted {seed} {number}"))
    before = None if lesson.before is BLANK else encoded(lesson.before)
    return CriticExample(lesson.prompt, lesson.last_prompt, before, encoded(lesson.after), lesson.verdict, "painted")


def encoded(picture: np.ndarray) -> bytes:
    """A uint8 picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def facts(record: AttemptRecord) -> dict[str, Any]:
    """What kind of edit an attempt was at, and the style of wording that it was drawn from."""
    try:
        edit, _ = read(record.prompt)
        return {"category": type(edit).__name__.lower(), "style": read(record.last_prompt)[1]}
    except Unreadable:
        return {"category": "other"}


def planner_facts(example: PlannerExample) -> dict[str, Any]:
    """Task, family and genre, number of steps, and the style that the plan speaks in."""
    family = (example.plan.reasoning.split() or ["?"])[0]
    genre = FAMILIES[family][0] if family in FAMILIES else None
    prompt = example.plan.steps[0].prompt
    return {
        "task": example.task,
        "category": genre or example.task,
        "family": family if genre else None,
        "steps": len(example.plan.steps),
        "pictures": len(example.images),
        "style": read(prompt)[1] if prompt else None,
        "source": example.source,
    }


def _planner(out: Path, recipe: DataRecipe, size: int, card: Any, say: Say) -> Card:
    shards, per_file = out / "work" / "planner", recipe.making.rows_per_file
    pace = Pace("planner", size, say)
    for first in range(0, size, per_file):
        path = shards / f"{first // per_file:05d}.parquet"
        numbers = range(first, min(size, first + per_file))
        if not path.is_file():
            write_examples(path, _told(recipe.seed, numbers, pace), "planner")
        pace.at(numbers.stop)
    counts = Counts()

    def rows() -> Iterator[PlannerExample]:
        for example in read_examples(shards, "planner"):
            counts.add(**planner_facts(example))
            yield example

    return write_set(out, "planner", rows(), lambda n: card("planner", n), per_file=per_file, counted=counts)


def _told(seed: int, numbers: range, pace: Pace) -> Iterator[PlannerExample]:
    for number in numbers:
        pace.at(number)
        yield planner_example(seed, number)


def _trajectories(
    out: Path, recipe: DataRecipe, sizes: Sizes, generators: list[tuple[str, Path]], say: Say
) -> tuple[Sequence[Path], Chosen]:
    """Shards of attempts, as many as it takes to fill both sets."""
    work, shard = out / "work" / "attempts", recipe.making.shard
    files: list[Path] = []
    pace = Pace("critic", sizes.critic + sizes.rl, say)
    pace.at(0)
    looking = Looking()
    while True:
        files.append(work / f"{len(files):05d}.parquet")
        if not files[-1].is_file():
            first = (len(files) - 1) * shard
            if first >= recipe.making.most_documents:
                raise BadRequest(
                    f"{first} documents did not fill the sets: ask for fewer rows, other generators (these draw all "
                    "right or all wrong), or a larger most_documents"
                )
            write_attempts(files[-1], _drawn(generators, range(first, first + shard), recipe))
        if not looking.due(len(files)):
            continue
        chosen = choose(list(without_pictures(files)), sizes, recipe.making, recipe.seed)
        filled = chosen.filled(sizes)
        pace.at(round(min(1.0, filled) * (sizes.critic + sizes.rl)), f"{chosen.attempts} attempts")
        if filled >= 1:
            return files, chosen
        looking.looked(len(files), filled)


def _drawn(generators: list[tuple[str, Path]], documents: range, recipe: DataRecipe) -> Iterator[AttemptRecord]:
    import asyncio

    import torch
    from diffusers.utils import logging

    from training.batched import BatchedGenerator, MemoryBlobs
    from training.data.trajectories import small_trajectories

    torch.set_num_threads(recipe.threads)
    logging.disable_progress_bar()

    def made(path: Path, blobs: MemoryBlobs) -> BatchedGenerator:
        return BatchedGenerator(path, blobs)

    async def walked() -> list[list[AttemptRecord]]:
        makers = [(name, lambda blobs, path=path: made(path, blobs)) for name, path in generators]
        return [records async for records in small_trajectories(makers, documents, recipe.seed)]

    for records in asyncio.run(walked()):
        yield from records


def _pipeline(path: str) -> Path:
    found = find_path(path)
    if not (found / "model_index.json").is_file():
        raise BadRequest(f"{path} is no diffusers pipeline (it has no model_index.json): give one with --generator")
    return found


def _name(path: Path) -> str:
    """What it is called, and the digest of its transformer: two checkpoints of one name are two generators."""
    manifest = read_manifest(path)
    called = manifest.name if manifest else path.name if path.name != "pipeline" else path.parent.name
    weights = sorted((path / "transformer").glob("*.safetensors"))
    if not weights:
        raise BadRequest(f"{called} holds no transformer/*.safetensors: it is no whole pipeline")
    with weights[0].open("rb") as file:
        return f"{called}@{hashlib.file_digest(file, 'sha256').hexdigest()[:8]}"
