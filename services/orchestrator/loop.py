"""The algorithm (paper section 1; design section 6): plan, draw, judge, redraw.

Deliberately not here: retries and transport (the ports' business), storage (`record` is given), metrics, and what an
error makes of the run (`runs` says so). A job's id is the digest of its content, so this same loop over recorded
answers (`replay`) is also how a run is resumed, and over another ground (`rounds`) how steps are redrawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from interleavethinker.events import Drawn, Judged, StepFinished
from interleavethinker.ports import Critic, Generator, Planner
from interleavethinker.types import CriticMode, Critique, Drawing, ImageJob, ImageRef, InterleaveRequest
from services.orchestrator.board import under_way
from services.orchestrator.rounds import Ground, Take
from services.orchestrator.rules import Attempt, BudgetSpent, attempt_seed, best, limit_reached, stands
from services.orchestrator.writing import PlanInWriting, Record


async def interleave(
    request: InterleaveRequest,
    *,
    planner: Planner,
    generator: Generator,
    critic: Critic,
    record: Record,
    elapsed: Callable[[], float],
    ground: Ground = Ground(),
    speculate: bool = False,
) -> None:
    """Make one document. Whatever happens is said to `record` before anything follows from it.

    `elapsed` gives the seconds since the work began. Steps that stand on the `ground` are passed by. With `speculate`,
    the next step is hinted at while the critic thinks. Raises BudgetSpent at the request's own limits, and what the
    ports raise.
    """
    plan = PlanInWriting(planner.plan(request.brief, seed=request.seed, max_steps=request.max_steps), record)

    def job(take: Take, number: int, prompt: str, before: ImageRef | None) -> ImageJob:
        anchored = (anchor,) if anchor and anchor != before else ()
        references = (before, *anchored, *take.references) if before else take.references
        seed = attempt_seed(take.seed, take.step.index, number)
        return ImageJob(prompt=prompt, references=references, seed=seed, size=request.size, params=request.params)

    async def draw(take: Take, number: int, prompt: str, before: ImageRef | None) -> Drawing:
        index, wanted = take.step.index, job(take, number, prompt, before)
        under_way.set((index, number))
        drawing = await generator.draw(wanted)
        await record(Drawn(step=index, number=number, job=wanted, drawing=drawing))
        return drawing

    async def attempt(take: Take, number: int, prompt: str, before: ImageRef | None, drawing: Drawing) -> Attempt:
        index = take.step.index
        if request.critic is CriticMode.OFF:
            return Attempt(number, prompt, drawing.image)
        room = speculate and not limit_reached(request.budget, draws, elapsed())  # else it would never be asked for
        ahead = ground.ahead(plan.after(take.step), request) if room else None
        hint = job(ahead, ahead.first, ahead.prompt, drawing.image) if ahead and ahead.prompt else None
        if hint:
            await generator.foresee(hint)
        began = time.perf_counter()
        critique = Critique(prompt=take.prompt or prompt, last_prompt=prompt, before=before, after=drawing.image)
        judgement = await critic.judge(critique)
        seconds, verdict = time.perf_counter() - began, judgement.verdict
        await record(Judged(step=index, number=number, seconds=seconds, **judgement._asdict()))
        accepted = stands(verdict, request.critic)
        if hint and accepted is False:
            await generator.forget(hint)
        return Attempt(number, prompt, drawing.image, verdict, accepted)

    canvas = request.brief.images[-1] if request.brief.images else None
    anchor: ImageRef | None = None  # a fixed step's picture, given to the drawings after it
    draws = ground.draws
    async with plan:
        async for step in plan:
            if (take := ground.take(step, request)) is None:
                canvas = ground.image(step) or canvas
                anchor = canvas if step.index == request.anchor else anchor
                continue
            attempts: list[Attempt] = []
            prompt, limit = take.prompt, None
            while prompt and len(attempts) < take.most:
                if limit := limit_reached(request.budget, draws, elapsed()):
                    break
                number = take.first + len(attempts)
                try:
                    drawing = await draw(take, number, prompt, canvas)
                except BudgetSpent as spent:  # the deadline came first: the attempts before stand
                    limit = spent.detail
                    break
                draws += 1
                attempts.append(await attempt(take, number, prompt, canvas, drawing))
                if attempts[-1].accepted is not False:
                    break
                prompt = attempts[-1].next_prompt
            if attempts:
                kept = best(attempts)
                await record(StepFinished(step=step.index, kept=kept.number, accepted=kept.accepted))
                canvas = kept.image  # only now: every attempt at a step starts from the canvas before the step
                anchor = canvas if step.index == request.anchor else anchor
            elif not prompt:
                await record(StepFinished(step=step.index))
            if limit:
                raise BudgetSpent(limit)
