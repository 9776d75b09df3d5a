"""The baseline: the loop as the method's released code runs it, one thing after the other. For comparison only.

The plan to its end; then each step is drawn, judged to the critic's last token, and drawn again where it was refused,
from the critic's prompt; one seed for everything; when the attempts are used up the last one is kept. It records
nothing and survives nothing, so all its time is the models' own. Never imported outside bench/."""

from __future__ import annotations

from collections.abc import Sequence

from interleavethinker.ports import Critic, Generator, Planner, Planning
from interleavethinker.types import Critique, ImageJob, ImageRef, InterleaveRequest, Outcome, Step


async def sequential(
    request: InterleaveRequest, *, planner: Planner, generator: Generator, critic: Critic
) -> Sequence[tuple[int, ImageRef]]:
    """Each drawn step's number of attempts, and the picture that was kept."""
    steps = [
        part
        async for part in planner.plan(request.brief, seed=request.seed, max_steps=request.max_steps)
        if not isinstance(part, Planning)
    ]
    canvas = request.first_canvas
    kept: list[tuple[int, ImageRef]] = []
    for step in steps:
        if step.prompt:
            kept.append(await _step(request, step, step.prompt, canvas, generator, critic))
            canvas = request.first_canvas if request.independent_steps else kept[-1][1]
    return kept


async def _step(
    request: InterleaveRequest,
    step: Step,
    prompt: str,
    before: ImageRef | None,
    generator: Generator,
    critic: Critic,
) -> tuple[int, ImageRef]:
    asked, number = prompt, 0
    while True:
        number += 1
        references = (before,) if before else ()
        job = ImageJob(
            prompt=prompt, references=references, seed=request.seed, size=request.size, params=request.params
        )
        image = (await generator.draw(job)).image
        judged = await critic.judge(Critique(prompt=asked, last_prompt=prompt, before=before, after=image))
        if judged.verdict.outcome is not Outcome.REVISE or number == request.max_attempts:
            return number, image
        prompt = judged.verdict.refined_prompt or prompt
