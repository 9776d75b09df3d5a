"""The small world's held-out numbers: each model alone, then whole documents through the real services and the real
loop.

What is held out: a tenth of all variations of each family, and some things at some cells
(`smallworld.scene.is_held_out`). The exact judge decides everything. Planner and critic are the services' own classes
over a batched chat; the generator is the checkpoint's pipeline, batched; documents run through
`services.orchestrator.loop`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.assessed import assess
from evaluation.documents import Readings, RememberedCritic, RememberedGenerator, plan_of, run
from evaluation.opened import open_critic, open_planner
from evaluation.statistics import balanced_accuracy, proportion
from interleavethinker.checkpoint import Metric
from interleavethinker.types import Brief, CriticMode, Critique, Outcome, Plan
from smallworld.edits import Impossible, apply
from smallworld.measure import compare, read
from smallworld.paint import paint
from smallworld.prompts import Unreadable, parse
from smallworld.recipes import Recipe, recipe
from smallworld.scene import Scene
from training.batched import BatchedGenerator, MemoryBlobs, stored
from training.drawings import Drawings
from training.lessons import CriticLesson, PlannerLesson, planner_lesson
from training.sampler import draw

Say = Callable[[str], None]
DRAWING_ROUNDS = 4
"""So often the generator may draw 4 n attempts until enough of them are wrong."""


@dataclass
class World:
    """The three checkpoints, opened, and the numbers so far."""

    checkpoints: Path
    n: int
    seed: int
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blobs = MemoryBlobs()
        self.readings = Readings(self.blobs)
        self.planner = open_planner(self.checkpoints / "planner", self.blobs)
        self.critic = open_critic(self.checkpoints / "critic", self.blobs)
        self.generator = BatchedGenerator(self.checkpoints / "generator", self.blobs)


def carried_out(plan: Plan, start: Scene | None) -> list[Scene] | None:
    """The scenes that a plan's prompts lead to; None when one cannot be read or carried out."""
    scenes: list[Scene] = []
    for step in plan.steps:
        try:
            start = apply(parse(step.prompt or ""), start)
        except (Unreadable, Impossible):
            return None
        scenes.append(start)
    return scenes


def plan_is_right(lesson: PlannerLesson, plan: Plan) -> bool:
    """Whether the plan leads through just the scenes asked for, numbered as asked; a description must say just what is
    shown."""
    if [step.index for step in plan.steps] != [step.index for step in lesson.plan.steps]:
        return False
    if lesson.kind == "describe":
        return [step.auxiliary_text for step in plan.steps] == [step.auxiliary_text for step in lesson.plan.steps]
    return carried_out(plan, lesson.start) == list(lesson.scenes)


async def measure_planner(world: World) -> dict[str, Metric]:
    """Valid: the codec reads it, and every prompt can be carried out. Exact: it is the right plan."""
    rng = random.Random(f"evaluate planner {world.seed}")
    lessons = [planner_lesson(rng, held_out=True) for _ in range(world.n)]

    async def one(lesson: PlannerLesson) -> tuple[bool, bool]:
        images = tuple([await stored(world.blobs, picture) for picture in lesson.pictures])
        plan = await plan_of(world.planner, Brief(prompt=lesson.brief.prompt, images=images))
        if plan is None:
            return False, False
        fits = lesson.kind == "describe" or carried_out(plan, lesson.start) is not None
        return fits, plan_is_right(lesson, plan)

    results = await asyncio.gather(*(one(lesson) for lesson in lessons))
    for kind in ("plan", "continue", "describe"):
        part = [exact for lesson, (_, exact) in zip(lessons, results, strict=True) if lesson.kind == kind]
        if part:
            world.details[f"planner exact, {kind}"] = proportion(part)
    return {"valid": proportion([valid for valid, _ in results]), "exact": proportion([exact for _, exact in results])}


async def measure_critic(world: World) -> dict[str, Metric]:
    """On the served generator's own held-out drawings, as many right as wrong ones where it makes enough of both."""
    half = world.n // 2
    right: list[CriticLesson] = []
    wrong: list[CriticLesson] = []
    for round_ in range(DRAWING_ROUNDS):
        pool = Drawings.collect(world.generator.pipeline, 4 * world.n, world.seed + 7000 + round_, held_out=True)
        right += [pool.at(i) for i in pool.right[: half - len(right)]]
        wrong += [pool.at(i) for i in pool.wrong[: half - len(wrong)]]
        if len(right) == len(wrong) == half:
            break
    chosen = [*right, *wrong]

    async def one(lesson: CriticLesson) -> bool:
        before = None if lesson.before.min() == 255 else await stored(world.blobs, lesson.before)
        critique = Critique(
            prompt=lesson.prompt,
            last_prompt=lesson.last_prompt,
            before=before,
            after=await stored(world.blobs, lesson.after),
        )
        return (await world.critic.judge(critique)).verdict.outcome is Outcome.ACCEPT

    answers = await asyncio.gather(*(one(lesson) for lesson in chosen))
    truths = [lesson.verdict.outcome is Outcome.ACCEPT for lesson in chosen]
    for side, name in ((True, "right accepted"), (False, "wrong refused")):
        part = [answer == truth for answer, truth in zip(answers, truths, strict=True) if truth is side]
        if part:
            world.details[f"critic, {name}"] = proportion(part)
    return {"balanced_accuracy": balanced_accuracy(truths, answers)}


def measure_generator(world: World) -> dict[str, Metric]:
    """First attempts at steps of held-out documents, each from the right picture before it."""
    rng = random.Random(f"evaluate generator {world.seed}")
    steps: list[tuple[str, np.ndarray | None, Scene]] = []
    while len(steps) < world.n:
        made = recipe(rng, held_out=True)
        number = rng.randrange(len(made.steps))
        before = paint(made.steps[number - 1].after) if number else None
        steps.append((made.steps[number].prompt, before, made.steps[number].after))
    pictures = draw(
        world.generator.pipeline, [s[0] for s in steps], [s[1] for s in steps], [rng.getrandbits(32) for _ in steps]
    )
    right = [compare(read(picture), step[2]).correct for picture, step in zip(pictures, steps, strict=True)]
    for name, first in (("first pictures", True), ("edits", False)):
        part = [good for good, step in zip(right, steps, strict=True) if (step[1] is None) is first]
        if part:
            world.details[f"generator, {name}"] = proportion(part)
    return {"first_attempt_step_success": proportion(right)}


async def measure_documents(world: World, attempts: int = 5) -> dict[str, Metric]:
    """Whole documents from held-out requests: every step's kept picture must be exactly right.

    The same request, plan and seeds with one attempt a step and with up to `attempts`.
    """
    rng = random.Random(f"evaluate documents {world.seed}")
    recipes = [recipe(rng, held_out=True) for _ in range(world.n)]
    draws: Counter[str] = Counter()
    critic, generator = RememberedCritic(world.critic), RememberedGenerator(world.generator)

    async def document(made: Recipe, seed: int) -> tuple[bool, bool]:
        plan = await plan_of(world.planner, Brief(prompt=made.request))
        if plan is None:
            return False, False
        return await made_rightly(made, plan, seed, 1), await made_rightly(made, plan, seed, attempts)

    async def made_rightly(made: Recipe, plan: Plan, seed: int, most: int) -> bool:
        trace = await run(
            made.request,
            plan,
            seed=seed,
            attempts=most,
            generator=generator,
            critic=critic,
            mode=CriticMode.QUICK if most > 1 else CriticMode.OFF,
        )
        draws[f"up to {most}"] += len(trace.drawn)
        return (await assess(made, plan, trace, world.readings)).success

    results = await asyncio.gather(*(document(made, seed) for seed, made in enumerate(recipes)))
    for attempts_allowed, count in sorted(draws.items()):
        world.details[f"drawings a document, {attempts_allowed} attempts"] = round(count / world.n, 2)
    for genre in ("how-to", "story", "manipulation"):
        part = [looped for made, (_, looped) in zip(recipes, results, strict=True) if made.genre == genre]
        if part:
            world.details[f"document loop, {genre}"] = proportion(part)
    return {"one_attempt": proportion([one for one, _ in results]), "loop": proportion([loop for _, loop in results])}


async def evaluate(
    checkpoints: Path, n: int, seed: int, say: Say
) -> tuple[dict[str, dict[str, Metric]], dict[str, Any]]:
    """All numbers: those that the project promises, and the details behind them."""
    world = World(checkpoints, n, seed)
    numbers: dict[str, dict[str, Metric]] = {}
    parts: Sequence[tuple[str, Callable[[World], Any]]] = (
        ("generator", measure_generator),
        ("planner", measure_planner),
        ("critic", measure_critic),
        ("document", measure_documents),
    )
    for name, measure in parts:
        started = time.monotonic()
        result = measure(world)
        numbers[name] = await result if asyncio.iscoroutine(result) else result
        shown = ", ".join(f"{key} {m.value:.3f} [{m.low:.3f}, {m.high:.3f}]" for key, m in numbers[name].items())
        say(f"{name}: {shown} (n = {n}, {time.monotonic() - started:.0f} s)")
    return {name: numbers[name] for name in ("planner", "critic", "generator", "document")}, world.details
