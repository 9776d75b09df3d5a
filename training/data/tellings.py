"""Synthesised trajectories put together again: the request, the plan and every attempt of a document.

Attempts are kept by document; what was asked for is the taxonomy's request of that number, or, in the small world, the
recipe that the number makes. A document of which not every step was accepted is no telling.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from interleavethinker.errors import BadRequest
from interleavethinker.types import Outcome, Plan
from smallworld.recipes import recipe
from training.data import taxonomy
from training.data.sets import SETTINGS
from training.data.store import read_examples
from training.data.unified import Telling, ToldStep, Try
from training.data.values import AttemptRecord


def tellings(out: Path) -> Iterator[Telling]:
    """The finished documents of a synthesis in `out`. Raises BadRequest where there is none."""
    path = out / SETTINGS
    if not path.is_file():
        raise BadRequest(f"{out} holds no {SETTINGS}: it was not made by `python -m training synthesize`")
    settings = json.loads(path.read_text(encoding="utf-8"))
    small = settings["world"] == "smallworld"
    requests = () if small else taxonomy.requests(settings["seed"])
    plans = {} if small else _plans(out / "work" / "planner")
    for file in sorted((out / "work" / "attempts").glob("*.parquet")):
        for document, records in groupby(read_examples(file, "attempts"), key=lambda record: record.document):
            seed, _, number = document.rpartition("-")
            if small:
                asked = _recipe(seed, number)
            else:
                text = requests[int(number)].text
                asked = (text, plans[text]) if text in plans else None
            if asked and (told := put_together(*asked, list(records))):
                yield told


def put_together(request: str, plan: Plan, records: Sequence[AttemptRecord]) -> Telling | None:
    """None unless the attempts are at this plan's steps, and the last one at each was accepted."""
    steps: list[ToldStep] = []
    for step, tried in groupby(records, key=lambda record: record.step):
        *rejected, kept = tried
        if step > len(plan.steps) or plan.steps[step - 1].prompt != kept.prompt:
            return None
        if kept.verdict.outcome is not Outcome.ACCEPT:
            return None
        tries = [Try(record.last_prompt, record.after, record.verdict.reasoning) for record in rejected]
        thought = f"Step {step} of {len(plan.steps)}: {plan.steps[step - 1].name}"
        if step == 1 and plan.reasoning:
            thought = f"{plan.reasoning}\n{thought}"
        steps.append(ToldStep(thought, (*tries, Try(kept.last_prompt, kept.after)), plan.steps[step - 1].text))
    return Telling(request, (), tuple(steps)) if len(steps) == len(plan.steps) else None


def _plans(files: Path) -> dict[str, Plan]:
    return {row.prompt: row.plan for row in read_examples(files, "planner") if row.task == "plan"}


def _recipe(seed: str, number: str) -> tuple[str, Plan] | None:
    """What `trajectories.small_document` made of this number; None for random edits, which nobody asked for."""
    from training.lessons import NUMBERS, planned

    rng = random.Random(f"trajectory {seed} {number}")
    if rng.random() >= 0.6:
        return None
    made = recipe(rng, held_out=False)
    return made.request, Plan(steps=planned(made), reasoning=f"{made.family} {NUMBERS[len(made.steps)]} steps")
