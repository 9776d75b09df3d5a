"""Work ahead of the loop: the pictures and verdicts that it will ask for soon, so that they are there when it does.

Everything here is a hint (docs/decisions/0076, 0077): the very jobs and critiques of the loop, made by the same rules
from the same answers, so that it draws and judges the same whether they were foreseen or not. A `Lookout` works on one
step as the loop will, under a picture that may not stand yet; from each picture that it gets, another one looks at the
step after it. A picture that is refused takes those with it that hang on it. What is certain to be asked for hangs on
nothing: independent steps, and further candidates of a redraw.

Deliberately not here: what the loop asks for (it never waits for a hint), and how one is told (`hints`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Self

import structlog

from interleavethinker.errors import InterleaveError
from interleavethinker.ports import Critic, Generator, Judgement
from interleavethinker.types import CriticMode, Critique, Drawing, ImageJob, ImageRef, InterleaveRequest
from services.orchestrator.acceptance import Acceptance
from services.orchestrator.ahead import Ahead, Room
from services.orchestrator.hints import Hints
from services.orchestrator.reach import Reach
from services.orchestrator.rounds import Ground, Take
from services.orchestrator.rules import Attempt, next_prompt, stands
from services.orchestrator.thoughts import AskedFor, Thoughts
from services.orchestrator.to_the_end import to_the_end
from services.orchestrator.writing import PlanInWriting

log = structlog.get_logger(__name__)


class Lookout:
    """On one step. `under`: whose attempt it hangs on, None for one of the loop's own; `open`: whether that is still to
    be judged. `after`: the step whose picture it is drawn from; None: of nobody's."""

    def __init__(self, take: Take, before: ImageRef | None, after: int | None, under: Lookout | None) -> None:
        self.take, self.before, self.after, self.under = take, before, after, under
        self.open = after is not None
        self.task: asyncio.Task[None] | None = None
        self.jobs: list[ImageJob] = []

    @property
    def verdicts(self) -> int:
        """How many it hangs on."""
        return self.open + (self.under.verdicts if self.under else 0)


class Foresight(Ahead):
    """Of one run's work. `generator` takes the hints, `hints` is where they lead to; `live` says whether the loop has
    come to what is new; `asked_for` counts over all runs. Use as an async context manager: on leaving, nothing of it is
    left."""

    def __init__(
        self,
        request: InterleaveRequest,
        ground: Ground,
        reach: Reach,
        *,
        generator: Generator,
        hints: Hints,
        critic: Critic,
        acceptance: Acceptance,
        asked_for: AskedFor | None = None,
        live: Callable[[], bool] = lambda: True,
    ) -> None:
        self._request, self._ground, self._reach = request, ground, reach
        self._generator, self._hints, self._live = generator, hints, live
        self._acceptance = Acceptance(acceptance)
        self._thoughts = Thoughts(critic, reach.judging, asked_for or AskedFor())
        self._lookouts: dict[tuple[int, str], Lookout] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._abreast = asyncio.Semaphore(max(1, reach.side_by_side))
        self._news = asyncio.Event()
        self._passed: set[int] = set()
        self._at: Take | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await to_the_end(self._put_away())

    async def _put_away(self) -> None:
        await _ended(list(self._tasks))
        await self._thoughts.close()

    async def judge(self, critique: Critique) -> Judgement:
        """The port of the loop's critic: what was judged ahead is here already, or soon."""
        judgement = await self._thoughts.judge(critique)
        accepted = stands(judgement.verdict, self._request.critic)
        if accepted is not None:
            self._acceptance.observe(accepted)
        return judgement

    def begin(self, plan: PlanInWriting, room: Room) -> None:
        self._plan, self._room = plan, room
        if self._reach.side_by_side and self._request.independent_steps:
            self._go(self._independent())

    def drawing(self, take: Take, attempts: Sequence[Attempt], prompt: str, before: ImageRef | None) -> None:
        self._at = take
        self._tell()
        if attempts and self._live():
            self._abreast_candidates(take, attempts, prompt, before)

    def drawn(self, take: Take, number: int, image: ImageRef) -> None:
        if self._live() and self._leads_on(number - take.first):
            self._look(take, image, under=None)

    async def refused(self, take: Take, image: ImageRef) -> None:
        await self._drop([each for each in self._after(take) if each.before == image])

    async def settled(self, take: Take, image: ImageRef | None) -> None:
        self._passed.add(take.step.index)
        await self._drop([each for each in self._after(take) if each.before != image])
        for each in self._after(take):
            each.open, each.under = False, None
        self._tell()

    def _leads_on(self, before: int) -> bool:
        """Whether the next step may be drawn from the attempt that so many came before: not from one of several
        candidates, and not where no step is drawn from another."""
        alone = before == 0 or self._request.candidates == 1
        return alone and self._reach.depth > 0 and not self._request.independent_steps

    def _look(self, take: Take, image: ImageRef, under: Lookout | None) -> Lookout:
        """Whoever looks at what is drawn from this picture of the step."""
        key = take.step.index, image.digest
        if (found := self._lookouts.get(key)) is None:
            found = self._lookouts[key] = Lookout(take, image, take.step.index, under)
            found.task = self._go(self._next(found))
        elif under is None:
            found.under = None  # the loop has come to that attempt itself
            self._tell()
        return found

    async def _next(self, lookout: Lookout) -> None:
        take = await self._ground.ahead(self._plan.following(lookout.take.step), self._request)
        if take:
            await self._work(lookout, take._replace(anchor=self._anchor(lookout)), lookout.before)

    def _anchor(self, lookout: Lookout) -> ImageRef | None:
        """What the loop's anchor will be if the pictures that the lookout hangs on stand."""
        each: Lookout | None = lookout
        while each:
            if each.after == self._request.anchor:
                return each.before
            each = each.under
        return self._at.anchor if self._at else None

    async def _independent(self) -> None:
        async for step in self._plan.following(None):
            take = self._ground.take(step, self._request)
            if take and take.prompt:
                lookout = Lookout(take, self._request.first_canvas, None, None)
                lookout.task = self._go(self._certain(lookout, take))

    async def _certain(self, lookout: Lookout, take: Take) -> None:
        while self._at is None or not self._live():
            await self._change()
        async with self._abreast:
            if take.step.index not in self._passed:
                await self._work(lookout, take, self._request.first_canvas)

    async def _work(self, lookout: Lookout, take: Take, before: ImageRef | None) -> None:
        """The step's attempts, as the loop makes them, as far as they can be foreseen."""
        attempts: list[Attempt] = []
        prompt = take.prompt
        while prompt and len(attempts) < take.most:
            number = take.first + len(attempts)
            while not self._worth(lookout):
                await self._change()
            if not self._within(take, len(attempts)):
                return
            if attempts:
                self._abreast_candidates(take, attempts, prompt, before)
            lookout.jobs.append(job := take.job(self._request, number, prompt, before))
            if (drawing := await self._drawn_ahead(job)) is None:
                return
            child = None
            if self._leads_on(len(attempts)):
                child = self._look(take, drawing.image, under=lookout)
            critique = Critique(prompt=take.prompt or prompt, last_prompt=prompt, before=before, after=drawing.image)
            if (judgement := await self._judged_ahead(critique)) is None:
                return
            accepted = stands(judgement.verdict, self._request.critic)
            attempts.append(Attempt(number, prompt, drawing.image, judgement.verdict, accepted))
            if child and accepted is False:
                await self._drop([child])
            elif child:
                child.open = False
            self._tell()
            prompt = next_prompt(attempts, self._request.candidates)

    def _abreast_candidates(
        self, take: Take, attempts: Sequence[Attempt], prompt: str, before: ImageRef | None
    ) -> None:
        """The rest of a group of candidates, at its first one."""
        if not self._reach.side_by_side or (len(attempts) - 1) % self._request.candidates:
            return
        last = min(take.most, len(attempts) + self._request.candidates)
        for place in range(len(attempts) + 1, last):
            here = self._at is None or self._at.step == take.step
            if not (self._room(place - len(attempts)) if here else self._within(take, place)):
                return
            self._go(self._candidate(take, place, prompt, before))

    async def _candidate(self, take: Take, place: int, prompt: str, before: ImageRef | None) -> None:
        async with self._abreast:
            if take.step.index in self._passed:
                return
            drawing = await self._drawn_ahead(take.job(self._request, take.first + place, prompt, before))
        if drawing:
            await self._judged_ahead(
                Critique(prompt=take.prompt or prompt, last_prompt=prompt, before=before, after=drawing.image)
            )

    async def _drawn_ahead(self, job: ImageJob) -> Drawing | None:
        try:
            await self._generator.foresee(job)
            return await self._hints.hinted(job)
        except InterleaveError:  # a filter that is away: whoever asks for the picture will be told
            return None

    async def _judged_ahead(self, critique: Critique) -> Judgement | None:
        if self._request.critic is CriticMode.OFF:
            return None
        return await self._thoughts.ahead(critique)

    def _worth(self, lookout: Lookout) -> bool:
        hangs = lookout.verdicts
        if self._request.critic is CriticMode.OFF:
            return True
        return hangs <= self._reach.depth and self._acceptance.rate**hangs >= self._reach.worth

    def _within(self, take: Take, before: int) -> bool:
        """Whether the request's limits leave room for what comes before that attempt, and for it."""
        if self._at is None or self._at.step == take.step:
            return self._room(before and 1)
        between = [step for step in self._plan.between(self._at.step, take.step) if step.prompt]
        return self._room(len(between) + before)

    def _after(self, take: Take) -> list[Lookout]:
        return [each for each in self._lookouts.values() if each.after == take.step.index]

    async def _drop(self, lookouts: Sequence[Lookout]) -> None:
        """And all that hang on them."""
        found = list(lookouts)
        for each in found:
            found += [child for child in self._lookouts.values() if child.under is each and child not in found]
        for each in found:
            if each.before:
                self._lookouts.pop((each.take.step.index, each.before.digest), None)
        await _ended([each.task for each in found if each.task])
        for job in [job for each in found for job in each.jobs if not self._hints.asked(job)]:
            await self._generator.forget(job)

    def _go(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._gone)
        return task

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):  # the loop meets it too, if it is one
            log.debug("nothing more is foreseen", reason=str(error))

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _change(self) -> None:
        await self._news.wait()


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    others = [task for task in tasks if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
