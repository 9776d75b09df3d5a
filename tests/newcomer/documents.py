"""Documents to export, made without models: a realistic one of the small world (painted pictures, some spoiled, judged
exactly), and one such as a large model might make."""

from __future__ import annotations

import hashlib
import io
import random
from datetime import UTC, datetime, timedelta

from PIL import Image

from interleavethinker.document import Document, DocumentAttempt, DocumentStep
from interleavethinker.events import Problem, Status
from interleavethinker.types import Brief, ImageRef, InterleaveRequest, Outcome, Step, Verdict
from smallworld.critique import true_verdict
from smallworld.paint import picture
from smallworld.prompts import STYLES, say
from smallworld.recipes import RecipeStep, recipe
from smallworld.scene import Scene
from training.lessons import spoil

BEGAN = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)


class Painted:
    """A snowman in five steps or so; `document`, and its `images` by digest."""

    def __init__(self, *, seed: int = 4, spoiled: dict[int, int] | None = None, accepted: bool = True) -> None:
        """`spoiled`: how many attempts went wrong at which step; not `accepted`: the last step never came out right."""
        self._rng = random.Random(seed)
        self.images: dict[str, bytes] = {}
        made = recipe(self._rng, held_out=False, family="snowman")
        spoiled = {2: 1, len(made.steps): 2} if spoiled is None else spoiled
        before: Scene | None = None
        steps = []
        for index, step in enumerate(made.steps, start=1):
            settled = accepted or index < len(made.steps)
            steps.append(self._step(index, step, before, spoiled.get(index, 0), settled))
            before = step.after
        self.document = Document(
            run_id="run_0123456789abcdef01234567",
            status=Status.SUCCEEDED,
            request=InterleaveRequest(brief=Brief(prompt=made.request), seed=seed),
            created_at=BEGAN,
            finished_at=BEGAN + timedelta(seconds=9.25),
            plan_seconds=2.5,
            steps=tuple(steps),
        )

    def cut_short(self) -> Document:
        """The same run, ended by its budget before the last step was finished."""
        *whole, last = self.document.steps
        last = last.model_copy(update={"finished": False, "kept": None, "accepted": None})
        problem = Problem(code="budget_spent", detail="budget.max_draws = 4 drawings are spent")
        return self.document.model_copy(update={"status": Status.PARTIAL, "problem": problem, "steps": (*whole, last)})

    def _step(self, index: int, step: RecipeStep, before: Scene | None, wrong: int, settled: bool) -> DocumentStep:
        attempts: list[DocumentAttempt] = []
        prompt = say(step.edit, STYLES[index % len(STYLES)])
        planned = Step(index=index, name=step.name, instruction=step.instruction, prompt=prompt)
        for number in range(1, wrong + settled + 1):
            seen = step.after if number > wrong else spoil(self._rng, step.edit, before, step.after)
            verdict = true_verdict(step.edit, before, seen, (), prompt)
            verdict = verdict.model_copy(update={"confidence": 0.9 + self._rng.random() / 10})
            image = self._painted(seen)
            job = hashlib.sha256(f"{index}/{number}".encode()).hexdigest()
            attempts.append(
                DocumentAttempt(
                    number=number, prompt=prompt, seed=1000 * index + number, job_id=job, image=image,
                    model="smallworld-generator@0123456789ab", verdict=verdict,
                    queue_seconds=0.01, draw_seconds=0.4, judge_seconds=0.6,
                )
            )  # fmt: skip
            prompt = verdict.refined_prompt or prompt
        return DocumentStep(step=planned, attempts=tuple(attempts), finished=True, kept=len(attempts), accepted=settled)

    def _painted(self, scene: Scene) -> ImageRef:
        out = io.BytesIO()
        picture(scene).save(out, "PNG")
        digest = hashlib.sha256(out.getvalue()).hexdigest()
        self.images[digest] = out.getvalue()
        return ImageRef(digest=digest, width=128, height=128)


def wide_document() -> tuple[Document, dict[str, bytes]]:
    """Markdown, reasoning in prose, markup that must stay harmless, a big picture, and a step without one."""
    out = io.BytesIO()
    Image.effect_mandelbrot((512, 384), (-2.2, -1.2, 0.9, 1.2), 40).convert("RGB").save(out, "PNG")
    digest = hashlib.sha256(out.getvalue()).hexdigest()
    image = ImageRef(digest=digest, width=512, height=384)
    evil = '<script>alert("x")</script><img src="https://evil.example/p.png">'
    spy = "![spy](https://evil.example/q.png)"
    text = f"**Whisk** the eggs.\n\n- slowly\n- [for ever](https://example.org)\n\n{spy} {evil}"
    said = f"The bowl is missing, but the eggs are fine. {evil}"
    verdict = Verdict(outcome=Outcome.REVISE, refined_prompt="eggs", reasoning=said, confidence=0.6)
    attempt = DocumentAttempt(number=1, prompt=evil, seed=1, job_id=digest, image=image, model="big@1", verdict=verdict)
    steps = (
        DocumentStep(
            step=Step(index=1, name=evil, auxiliary_text=text, prompt=evil),
            attempts=(attempt,), finished=True, kept=1, accepted=False,
        ),
        DocumentStep(step=Step(index=2, name="answer", auxiliary_text="Only words."), finished=True),
    )  # fmt: skip
    request = InterleaveRequest(brief=Brief(prompt=f"<image> Continue {evil}", images=(image,)))
    document = Document(run_id="run_1", status=Status.SUCCEEDED, request=request, created_at=BEGAN, steps=steps)
    return document, {digest: out.getvalue()}
