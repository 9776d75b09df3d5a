"""The three sets of the real world: the taxonomy's requests, a teacher's plans and verdicts, real pictures.

Documents are walked side by side, in shards. Every answer and drawing is on disk as it comes, so a run that was killed,
or that met an endpoint which is away, goes on with the same command and asks nothing twice.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.chat import Chat, ChatSettings, open_chat
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.codec import load_pack
from interleavethinker.errors import BadRequest, Unavailable
from interleavethinker.ports import Blobs, Generator
from interleavethinker.types import Outcome
from training.data import taxonomy
from training.data.cards import SETS, Card, Counts
from training.data.choose import Chosen, Looking, choose, without_pictures
from training.data.interleaved import Told, continuation, question_about
from training.data.pace import Pace, Say
from training.data.recipe import DataRecipe, Endpoint, RealWorld, Sizes
from training.data.replies import Ledger, RecordedChat, RecordedGenerator
from training.data.sets import claim, critic_sets, write_set
from training.data.store import Kind, count_rows, read_examples, write_attempts, write_examples
from training.data.teacher import Teacher
from training.data.values import AttemptRecord, PlannerExample
from training.vlm_judge import VlmJudge

WORLD = "real"


@dataclass
class Crew:
    """Who is asked: the teacher's and the judge's chats, the generators by name, the image store they share."""

    teacher: Chat
    judge: Chat
    generators: Sequence[tuple[str, Generator]]
    blobs: Blobs

    @classmethod
    def open(cls, real: RealWorld) -> Crew:
        """The recipe's endpoints. Nobody is asked yet."""
        teacher = _chat(real.teacher)
        judge = _chat(real.judge) if real.judge else teacher
        drawers = [(drawer.name, GeneratorClient(drawer.url)) for drawer in real.generators]
        return cls(teacher, judge, drawers, DirectoryBlobs(real.blobs))

    async def check(self) -> None:
        """Raises Unavailable with one line when somebody is not ready, before anything is asked."""
        for what, someone in (("teacher", self.teacher), ("judge", self.judge), *self.generators):
            ready = getattr(someone, "ready", None)
            if ready and (problems := await ready()):
                raise Unavailable(f"{what} is not ready: {'; '.join(problems)}")

    async def close(self) -> None:
        for someone in {id(s): s for s in (self.teacher, self.judge, *(g for _, g in self.generators))}.values():
            if close := getattr(someone, "close", None):
                await close()


async def real_world(out: Path, recipe: DataRecipe, sizes: Sizes, crew: Crew, say: Say = print) -> list[Card]:
    """Make the sets under `out`, or what is still missing. Raises BadRequest, BadSettings, Unavailable."""
    assert recipe.real, "the caller checks that the recipe has a [real]"
    settings: dict[str, Any] = {
        "world": WORLD,
        "seed": recipe.seed,
        "sizes": sizes.model_dump(),
        "making": recipe.making.model_dump(exclude={"most_documents"}),
        "teacher": crew.teacher.model,
        "judge": crew.judge.model,
        "generators": [name for name, _ in crew.generators],
        "pack": load_pack(recipe.real.pack).digest,
        "taxonomy": vars(taxonomy.counted()),
    }
    claim(out, settings)
    await crew.check()
    work = _Work(out, recipe, recipe.real, sizes, crew, say)
    chosen = await work.run()
    card = _card_of(recipe, settings)
    cards: list[Card] = []
    per_file = recipe.making.rows_per_file
    if sizes.planner:
        counts = Counts()
        rows = _planner_rows(work.plans, sizes.planner, counts)
        cards.append(write_set(out, "planner", rows, lambda n: card("planner", n), per_file=per_file, counted=counts))
    if chosen:
        cards += critic_sets(out, work.attempts, chosen, card, facts=facts, per_file=per_file)
    return cards


def facts(record: AttemptRecord) -> dict[str, Any]:
    """Category and sub-category, which stand in the source: `teacher:stories/sea`."""
    category, _, sub = record.source.partition(":")[2].partition("/")
    return {"category": category or None, "sub-category": f"{category}/{sub}" if sub else None}


class _Work:
    """The shards of one run."""

    def __init__(self, out: Path, recipe: DataRecipe, real: RealWorld, sizes: Sizes, crew: Crew, say: Say) -> None:
        self.out, self.recipe, self.real, self.sizes, self.crew, self.say = out, recipe, real, sizes, crew, say
        replies, drawings = Ledger(out / "raw" / "replies.jsonl"), Ledger(out / "raw" / "drawings.jsonl")
        teacher = RecordedChat(crew.teacher, replies, "teacher")
        self.teacher = Teacher(teacher, load_pack(real.pack), crew.blobs, real.teacher, seed=recipe.seed)
        self.judge = VlmJudge(
            RecordedChat(crew.judge, replies, "judge"),
            crew.blobs,
            success=(real.success_semantics, real.success_quality),
            reasks=(real.judge or real.teacher).reasks,
            seed=recipe.seed,
        )
        self.generators = [
            (name, RecordedGenerator(drawer, drawings, real.size, real.params)) for name, drawer in crew.generators
        ]
        self.requests = taxonomy.requests(recipe.seed)
        self.plans: list[Path] = []
        self.attempts: list[Path] = []
        self.unread = 0

    async def run(self) -> Chosen | None:
        """Shards until every set is full."""
        sizes, planned, chosen = self.sizes, 0, None
        drawing = bool(sizes.critic or sizes.rl)
        pace = Pace("teacher", 100, lambda line: self.say(f"{line} %"))
        pace.at(0)
        looking, filled = Looking(), 0.0
        while planned < sizes.planner or drawing:
            planned += await self._shard(len(self.plans), drawing)
            shares = [planned / sizes.planner] if sizes.planner else []
            if sizes.critic or sizes.rl:
                if drawing and looking.due(len(self.attempts)):
                    chosen = choose(list(without_pictures(self.attempts)), sizes, self.recipe.making, self.recipe.seed)
                    filled = chosen.filled(sizes)
                    looking.looked(len(self.attempts), filled)
                shares.append(filled)
                drawing = filled < 1
            pace.at(int(100 * min(1.0, *shares, 1.0)), f"{planned} planner rows, {self.unread} plans unreadable")
        return chosen

    async def _shard(self, number: int, drawing: bool) -> int:
        """Make the shard, or find it made; the number of its planner rows."""
        plans = self.out / "work" / "planner" / f"{number:05d}.parquet"
        attempts = self.out / "work" / "attempts" / plans.name
        if not plans.is_file():
            size = self.recipe.making.shard
            numbers = range(number * size, min((number + 1) * size, len(self.requests)))
            if not numbers or numbers.start >= self.recipe.making.most_documents:
                raise BadRequest(f"{numbers.start} requests did not fill the sets: ask for fewer rows")
            made = await self._documents(numbers, drawing)
            if drawing:
                write_attempts(attempts, [record for _, records in made for record in records])
            write_examples(plans, [row for rows, _ in made for row in rows], "planner")
        self.plans.append(plans)
        if attempts.is_file():
            self.attempts.append(attempts)
        return count_rows(plans)

    async def _documents(self, numbers: range, drawing: bool) -> list[tuple[list[PlannerExample], list[AttemptRecord]]]:
        room = asyncio.Semaphore(self.real.side_by_side)

        async def one(number: int) -> tuple[list[PlannerExample], list[AttemptRecord]]:
            async with room:
                return await self._document(number, drawing)

        tasks = [asyncio.create_task(one(number)) for number in numbers]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _document(self, number: int, drawing: bool) -> tuple[list[PlannerExample], list[AttemptRecord]]:
        from training.data.walk import walk

        request = self.requests[number]
        source = f"teacher:{request.place}"
        plan = await self.teacher.plan(request.text, seed=number)
        if plan is None or not all(step.prompt for step in plan.steps):
            self.unread += 1
            return [], []
        rows = [PlannerExample(request.text, (), plan, "plan", source)]
        if not drawing:
            return rows, []
        name, generator = self.generators[number % len(self.generators)]
        records = await walk(
            f"{self.recipe.seed}-{number}", [step.prompt or "" for step in plan.steps], seed=self.recipe.seed,
            teacher=self.teacher, generator=generator, name=name, judge=self.judge, blobs=self.crew.blobs,
            attempts=self.real.attempts, source=source,
        )  # fmt: skip
        pictures = [record.after for record in records if record.verdict.outcome is Outcome.ACCEPT]
        rng = random.Random(f"interleaved {self.recipe.seed} {number}")
        if len(pictures) == len(plan.steps) and rng.random() < self.real.interleaved / (1 - self.real.interleaved):
            told = Told(request.text, plan, tuple(pictures), source)
            rows += [row for row in [await self._interleaved(told, rng, number)] if row]
        return rows, records

    async def _interleaved(self, told: Told, rng: random.Random, number: int) -> PlannerExample | None:
        if rng.random() < 0.5:
            return continuation(told, rng)
        question = question_about(told, rng)
        answer = await self.teacher.plan(question, told.pictures, seed=number)
        if answer is None or any(step.prompt for step in answer.steps):
            return None  # it was to describe, not to draw on
        return PlannerExample(question, told.pictures, answer, "describe", told.source)


def _planner_rows(files: Sequence[Path], most: int, counts: Counts) -> Iterator[PlannerExample]:
    rows = (row for file in files for row in read_examples(file, "planner"))
    for _, row in zip(range(most), rows, strict=False):
        category, _, sub = row.source.partition(":")[2].partition("/")
        counts.add(
            task=row.task, category=category, **{"sub-category": f"{category}/{sub}"}, steps=len(row.plan.steps),
            pictures=len(row.images), source="teacher",
        )  # fmt: skip
        yield row


def _card_of(recipe: DataRecipe, settings: dict[str, Any]) -> Callable[[Kind, int], Card]:
    def card(kind: Kind, rows: int) -> Card:
        notes = (
            "Requests are the taxonomy's; plans, verdicts and scores are a model's: mind the terms of its provider.",
            "Rows stand in the order of their documents: shuffle them.",
        )
        return Card(
            name=SETS[kind], kind=kind, world=WORLD, rows=rows, counts={}, seed=recipe.seed, licence=recipe.licence,
            made_by=settings, notes=notes,
        )  # fmt: skip

    return card


def judge_of(real: RealWorld, blobs: Blobs) -> VlmJudge:
    """The recipe's judge over these images, for whoever scores pictures that are there already."""
    success = (real.success_semantics, real.success_quality)
    endpoint = real.judge or real.teacher
    return VlmJudge(_chat(endpoint), blobs, success=success, reasks=endpoint.reasks)


def _chat(endpoint: Endpoint) -> Chat:
    settings = ChatSettings.model_validate(
        {
            "backend": "openai",
            "model": endpoint.model,
            "base_url": endpoint.base_url,
            "flavour": endpoint.flavour,
            "logprobs": False,
        }
    )
    return open_chat(settings)
