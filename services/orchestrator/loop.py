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
from interleavethinker.types import CriticMode, Critique, Drawing, ImageRef, InterleaveRequest
from services.orchestrator.ahead import Ahead
from services.orchestrator.board import under_way
from services.orchestrator.rounds import Ground, Take
from services.orchestrator.rules import Attempt, BudgetSpent, best, limit_reached, next_prompt, stands
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
    ahead: Ahead = Ahead(),
) -> None:
    """Make one document. Whatever happens is said to `record` before anything follows from it.

    `elapsed` gives the seconds since the work began. Steps that stand on the `ground` are passed by. `ahead` is told
    how far the loop is, and may have the ports' answers ready before they are asked for. Raises BudgetSpent at the
    request's own limits, and what the ports raise.
    """
    plan = PlanInWriting(planner.plan(request.brief, seed=request.seed, max_steps=request.max_steps), record)

    async def draw(take: Take, number: int, prompt: str, before: ImageRef | None) -> Drawing:
        index, wanted = take.step.index, take.job(request, number, prompt, before)
        under_way.set((index, number))
        drawing = await generator.draw(wanted)
        await record(Drawn(step=index, number=number, job=wanted, drawing=drawing))
        return drawing

    async def attempt(take: Take, number: int, prompt: str, before: ImageRef | None, drawing: Drawing) -> Attempt:
        index = take.step.index
        if request.critic is CriticMode.OFF:
            return Attempt(number, prompt, drawing.image)
        ahead.drawn(take, number, drawing.image)
        began = time.perf_counter()
        critique = Critique(prompt=take.prompt or prompt, last_prompt=prompt, before=before, after=drawing.image)
        judgement = await critic.judge(critique)
        seconds, verdict = time.perf_counter() - began, judgement.verdict
        await record(Judged(step=index, number=number, seconds=seconds, **judgement._asdict()))
        accepted = stands(verdict, request.critic)
        if accepted is False:
            await ahead.refused(take, drawing.image)
        return Attempt(number, prompt, drawing.image, verdict, accepted)

    canvas, draws = request.first_canvas, ground.draws
    anchor: ImageRef | None = None  # a fixed step's picture, given to the drawings after it
    async with plan:
        ahead.begin(plan, lambda more: limit_reached(request.budget, draws + more, elapsed()) is None)
        async for step in plan:
            if (take := ground.take(step, request)) is None:
                canvas = ground.image(step) or canvas
                anchor = canvas if step.index == request.anchor else anchor
                continue
            take = take._replace(anchor=anchor)
            attempts: list[Attempt] = []
            prompt, limit = take.prompt, None
            before = request.first_canvas if request.independent_steps else canvas
            while prompt and len(attempts) < take.most:
                if limit := limit_reached(request.budget, draws, elapsed()):
                    break
                number = take.first + len(attempts)
                ahead.drawing(take, attempts, prompt, before)
                try:
                    drawing = await draw(take, number, prompt, before)
                except BudgetSpent as spent:  # the deadline came first: the attempts before stand
                    limit = spent.detail
                    break
                draws += 1
                attempts.append(await attempt(take, number, prompt, before, drawing))
                prompt = next_prompt(attempts, request.candidates)
            if attempts:
                kept = best(attempts)
                await ahead.settled(take, kept.image)
                await record(StepFinished(step=step.index, kept=kept.number, accepted=kept.accepted))
                canvas = kept.image  # only now: every attempt at a step starts from the canvas before the step
                anchor = canvas if step.index == request.anchor else anchor
            elif not take.prompt:
                await record(StepFinished(step=step.index))
            if limit:
                raise BudgetSpent(limit)
