"""A document of the small world held against its recipe, and a row's numbers from its documents.

The paper's two scores apart: text is what the reader is told, image what is shown, each step right or wrong exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.documents import Readings, Trace
from evaluation.statistics import proportion, share
from interleavethinker.types import Outcome, Plan
from smallworld.measure import compare
from smallworld.recipes import Recipe


@dataclass(frozen=True)
class Assessed:
    """One document of one row. `texts` and `images` say of each of the recipe's steps whether it is right; `verdicts`
    holds (the drawing was right, the critic accepted it) for every attempt that was judged; `settled` counts the steps
    that a critic looked at, `accepted` those it was content with."""

    texts: tuple[bool, ...]
    images: tuple[bool, ...]
    steps: int = 0
    draws: int = 0
    settled: int = 0
    accepted: int = 0
    verdicts: tuple[tuple[bool, bool], ...] = ()
    abstained: int = 0

    @property
    def success(self) -> bool:
        """Every step's kept picture is exactly right, and there are just as many steps as the recipe has."""
        return self.steps == len(self.images) and all(self.images)


def nothing(made: Recipe) -> Assessed:
    """What an unreadable plan comes to."""
    wrong = (False,) * len(made.steps)
    return Assessed(wrong, wrong)


async def assess(made: Recipe, plan: Plan, trace: Trace, readings: Readings) -> Assessed:
    """Hold a document against the recipe that asked for it, step by step."""
    told = {step.index: step.text for step in plan.steps}
    images = []
    for index, step in enumerate(made.steps, start=1):
        kept = trace.kept(index)
        images.append(kept is not None and compare(await readings.of(kept), step.after).correct)
    verdicts = []
    for critique, verdict in trace.critiques(plan):
        truth = await readings.verdict(critique)
        if truth and verdict.outcome is not Outcome.ABSTAIN:
            verdicts.append((truth.outcome is Outcome.ACCEPT, verdict.outcome is Outcome.ACCEPT))
    judged_steps = {step for step, _ in trace.judged}
    return Assessed(
        texts=tuple(told.get(index) == step.instruction for index, step in enumerate(made.steps, start=1)),
        images=tuple(images),
        steps=len(plan.steps),
        draws=len(trace.drawn),
        settled=len(judged_steps),
        accepted=sum(bool(trace.finished[step].accepted) for step in judged_steps),
        verdicts=tuple(verdicts),
        abstained=sum(judged.verdict.outcome is Outcome.ABSTAIN for judged in trace.judged.values()),
    )


async def assess_one_picture(made: Recipe, trace: Trace, readings: Readings) -> Assessed:
    """A generator alone gives one picture and no words. It counts for the step that it shows, whichever that is."""
    wrong = (False,) * len(made.steps)
    kept = trace.kept(1)
    seen = await readings.of(kept) if kept else None
    shown = [seen is not None and compare(seen, step.after).correct for step in made.steps]
    first = shown.index(True) if any(shown) else None
    return Assessed(wrong, tuple(at == first for at in range(len(shown))), steps=1, draws=len(trace.drawn))


def row_numbers(documents: Sequence[Assessed], seed: int) -> dict[str, Any]:
    """A row's numbers, as Metrics (None where nothing of the kind happened). Intervals of all that is counted within
    documents come from resampling documents."""
    lengths = [len(document.images) for document in documents]
    texts = [sum(document.texts) for document in documents]
    images = [sum(document.images) for document in documents]
    verdicts = [document.verdicts for document in documents]

    def rate(answer: bool, truth: bool) -> Any:
        cases = [[accepted for right, accepted in judged if right is truth] for judged in verdicts]
        return share([sum(a is answer for a in row) for row in cases], [len(row) for row in cases], seed)

    text, image = share(texts, lengths, seed), share(images, lengths, seed)
    return {
        "document_success": proportion([document.success for document in documents]),
        "text": text,
        "image": image,
        "score": share([a + b for a, b in zip(texts, images, strict=True)], [2 * length for length in lengths], seed),
        "draws_per_document": round(sum(document.draws for document in documents) / len(documents), 3),
        "steps_per_document": round(sum(lengths) / len(lengths), 3),
        "steps_accepted": share(
            [document.accepted for document in documents], [document.settled for document in documents], seed
        ),
        "wrong_accepted": rate(True, False),
        "right_refused": rate(False, True),
        "abstained": sum(document.abstained for document in documents),
    }
