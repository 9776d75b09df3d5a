"""What planner and critic learn from: one lesson is a question and its right answer, as values (the codec says them).

Planner lessons come from the small world's recipes: whole plans, continuations of a shown beginning (Task B),
descriptions of a shown sequence (Task A). Critic lessons are single attempts at a step, right and wrong in equal
parts, judged exactly; they come from painted faults, or from a generator's own drawings.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from interleavethinker.types import IMAGE_MARKER, Brief, ImageRef, Plan, Step, Verdict
from smallworld.critique import rewordings, true_verdict, verdict_on_reading
from smallworld.edits import Add, Edit, Impossible, Move, Paint, apply
from smallworld.measure import read
from smallworld.paint import paint
from smallworld.prompts import article
from smallworld.recipes import Recipe, recipe
from smallworld.sample import examples, has_held_out, random_edit, random_place, random_thing
from smallworld.scene import CELL_PIXELS, CELLS, COLOURS, KINDS, PICTURE_PIXELS, Scene, Thing, cell_column, cell_row

BLANK = np.full((PICTURE_PIXELS, PICTURE_PIXELS, 3), 255, np.uint8)
"""What the critic is shown before a first picture."""


@dataclass(frozen=True)
class PlannerLesson:
    """A brief with its pictures (uint8 arrays, in order), the right plan, and the scenes its prompts must lead to."""

    brief: Brief
    plan: Plan
    pictures: tuple[np.ndarray, ...] = ()
    start: Scene | None = None
    scenes: tuple[Scene, ...] = ()
    kind: str = "plan"


@dataclass(frozen=True)
class CriticLesson:
    """One attempt: pictures before and after (uint8), what was asked, what was asked last, and the right verdict."""

    before: np.ndarray
    after: np.ndarray
    prompt: str
    last_prompt: str
    verdict: Verdict
    source: str = field(default="painted")


def placeholder(number: int) -> ImageRef:
    """A stand-in name for a picture that travels beside its brief, in training only."""
    return ImageRef(digest=f"{number:064x}", width=PICTURE_PIXELS, height=PICTURE_PIXELS)


NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
CONTINUE = (
    "{request} The first {done} steps are done: {images} Continue with {left} more.",
    "{images} These are the first {done} steps. {request} Go on with {left} more.",
    "{request} So far: {images} That was {done}, now add {left} more.",
)
DESCRIBE = (
    "Describe each picture. {images}",
    "{images} What does each picture show?",
    "What can be seen here? {images}",
)


def planned(made: Recipe, first: int = 1) -> tuple[Step, ...]:
    """The recipe's steps from the `first` on, as the plan's."""
    return tuple(
        Step(index=index, name=step.name, instruction=step.instruction, prompt=step.prompt)
        for index, step in enumerate(made.steps, start=1)
        if index >= first
    )


def described(scene: Scene) -> str:
    """A picture in words, things in raster order."""
    things = " and ".join(f"{article(thing)} at {cell}" for cell, thing in scene.things.items()) or "nothing"
    return f"{article(scene.setting)} scene with {things}"


def planner_lesson(rng: random.Random, *, held_out: bool, kind: str | None = None) -> PlannerLesson:
    """A lesson of the kind `plan` (70%), `continue` (Task B, 15%) or `describe` (Task A, 15%)."""
    kind = kind or rng.choices(("plan", "continue", "describe"), (70, 15, 15))[0]
    made = recipe(rng, held_out=held_out)
    count = len(made.steps)
    thought = f"{made.family} {NUMBERS[count]} steps"
    if kind == "plan":
        return PlannerLesson(
            Brief(prompt=made.request),
            Plan(steps=planned(made), reasoning=thought),
            scenes=tuple(step.after for step in made.steps),
        )
    done = rng.randint(1, count - 1) if kind == "continue" else rng.randint(1, min(3, count))
    shown = made.steps[:done]
    names = tuple(placeholder(number) for number in range(done))
    pictures = tuple(paint(step.after) for step in shown)
    images = " ".join([IMAGE_MARKER] * done)
    if kind == "continue":
        left = count - done
        request = rng.choice(CONTINUE).format(
            request=made.request,
            done=NUMBERS[done],
            left=NUMBERS[left] + (" step" if left == 1 else " steps"),
            images=images,
        )
        plan = Plan(steps=planned(made, done + 1), reasoning=f"{thought} {NUMBERS[done]} done")
        scenes = tuple(step.after for step in made.steps[done:])
        return PlannerLesson(Brief(prompt=request, images=names), plan, pictures, shown[-1].after, scenes, kind)
    answers = tuple(
        Step(index=number, name="picture", auxiliary_text=described(step.after))
        for number, step in enumerate(shown, start=1)
    )
    plan = Plan(steps=answers, reasoning=f"describe {NUMBERS[done]}")
    return PlannerLesson(
        Brief(prompt=rng.choice(DESCRIBE).format(images=images), images=names), plan, pictures, kind=kind
    )


def last_said(rng: random.Random, edit: Edit, before: Scene | None, prompt: str) -> str:
    """The prompt that the attempt was drawn from: the first one, or a refinement."""
    if rng.random() < 0.6:
        return prompt
    return rewordings(rng)(edit, before, prompt)


def spoil(rng: random.Random, edit: Edit, before: Scene | None, wanted: Scene) -> Scene:
    """A scene that a weak generator might have drawn instead of `wanted`; it may be anything but that."""
    while True:
        roll = rng.random()
        spoiled = wanted
        if roll < 0.2 and before is not None:
            spoiled = before  # nothing happened
        elif roll < 0.75:  # what changed went wrong
            changed = [
                cell for cell in wanted.things if before is None or before.things.get(cell) != wanted.things.get(cell)
            ]
            if changed:
                cell = rng.choice(changed)
                thing, how = wanted.things[cell], rng.random()
                if how < 0.3:
                    spoiled = wanted.replace(**{cell: Thing(rng.choice(COLOURS), thing.kind)})
                elif how < 0.6:
                    spoiled = wanted.replace(**{cell: Thing(thing.colour, rng.choice(KINDS))})
                elif how < 0.8:
                    free = [other for other in CELLS if other not in wanted.things]
                    spoiled = wanted.replace(**{cell: None, rng.choice(free): thing})
                else:
                    spoiled = wanted.replace(**{cell: None})
            elif isinstance(edit, Move | Paint | Add):
                continue
        if spoiled == wanted or rng.random() < 0.25:  # something else broke
            base = spoiled
            if base.things and rng.random() < 0.6:
                cell = rng.choice(list(base.things))
                thing = base.things[cell]
                other = rng.choice(
                    (None, Thing(rng.choice(COLOURS), thing.kind), Thing(thing.colour, rng.choice(KINDS)))
                )
                spoiled = base.replace(**{cell: other})
            elif rng.random() < 0.5:
                spoiled = base.replace(**{random_place(rng, base, 0).cell or "a1": random_thing(rng)})
            else:
                try:
                    spoiled = apply(random_edit(rng, base), base)
                except Impossible:
                    continue
        if spoiled != wanted:
            return spoiled


def smudge(rng: random.Random, picture: np.ndarray, cell: str) -> np.ndarray:
    """The picture with one cell drawn half as something else, or blurred: what an unsure generator leaves."""
    spoiled = picture.copy()
    rows = slice(cell_row(cell) * CELL_PIXELS, (cell_row(cell) + 1) * CELL_PIXELS)
    columns = slice(cell_column(cell) * CELL_PIXELS, (cell_column(cell) + 1) * CELL_PIXELS)
    other = paint(Scene("night", {cell: random_thing(rng)}))[rows, columns].astype(np.float32)
    share = rng.uniform(0.3, 0.6)
    spoiled[rows, columns] = np.rint((1 - share) * spoiled[rows, columns] + share * other).astype(np.uint8)
    return spoiled


def critic_lesson(rng: random.Random, *, held_out: bool = False, first: float = 0.3) -> CriticLesson:
    """A painted attempt: right half of the time, else spoiled; now and then noisy, sometimes smudged."""
    while True:
        example = next(examples(rng, first=first, held_out=held_out))
        right = rng.random() < 0.5
        seen = example.after if right else spoil(rng, example.edit, example.before, example.after)
        if has_held_out(seen) and not held_out:
            continue
        after = paint(seen)
        smudged: tuple[str, ...] = ()
        if not right and rng.random() < 0.15:
            cell = rng.choice(CELLS)
            spoiled = smudge(rng, after, cell)
            if cell in read(spoiled).smudged:
                after, smudged = spoiled, (cell,)
        if rng.random() < 0.5:
            noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 6), after.shape)
            after = np.clip(np.rint(after + noise), 0, 255).astype(np.uint8)
        last = last_said(rng, example.edit, example.before, example.prompt)
        verdict = true_verdict(example.edit, example.before, seen, smudged, last, rewordings(rng))
        before = BLANK if example.before is None else paint(example.before)
        return CriticLesson(before, after, example.prompt, last, verdict)


def drawn_lesson(
    rng: random.Random, prompt: str, edit: Edit, before: Scene | None, drawing: np.ndarray
) -> CriticLesson:
    """An attempt that a generator drew (uint8), judged from its pixels."""
    last = last_said(rng, edit, before, prompt)
    verdict = verdict_on_reading(edit, before, read(drawing), last, rewordings(rng))
    return CriticLesson(BLANK if before is None else paint(before), drawing, prompt, last, verdict, "drawn")
