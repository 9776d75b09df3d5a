"""A run waits for services that are away, apart from the critic's attempts; and the breaker keeps other calls quick."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.clients.base import ServiceClient
from interleavethinker.clients.breaker import FAILURES, LONGEST_REST, Breaker, KnownAway
from interleavethinker.document import Document
from interleavethinker.errors import DrawFailed, InterleaveError, NobodyDraws, Unavailable
from interleavethinker.events import Status
from interleavethinker.ports import Judgement, Planning
from interleavethinker.types import Brief, Budget, Critique, Drawing, ImageJob, InterleaveRequest, Step
from services.orchestrator.journal import Journal
from services.orchestrator.runs import Runs
from tests.fakes import FakeCritic, FakeGenerator, FakePlanner, revise, steps_of

ASK = InterleaveRequest(brief=Brief(prompt="a story"), seed=1, max_attempts=2)
STEPS = steps_of("a", "b", "c")
VERDICTS = [revise("a better a")]


class Absences:
    """Says `error` for the first `times` calls, then nothing."""

    def __init__(self, times: int, error: InterleaveError | None = None) -> None:
        self.left, self.error = times, error or Unavailable("away")

    def maybe(self) -> None:
        if self.left > 0:
            self.left -= 1
            raise self.error


class Planner(FakePlanner):
    """Is away, then is cut after its second step, then answers."""

    def __init__(self, absences: int, cuts: int = 0) -> None:
        super().__init__(STEPS)
        self.absent, self.cut = Absences(absences), Absences(cuts)

    async def plan(self, brief: Brief, *, seed: int = 0, max_steps: int = 25) -> AsyncGenerator[Step | Planning, None]:
        self.absent.maybe()
        async for part in super().plan(brief, seed=seed, max_steps=max_steps):
            yield part
            if not isinstance(part, Planning) and part.index == 2:
                self.cut.maybe()


class Critic(FakeCritic):
    def __init__(self, absences: int) -> None:
        super().__init__(VERDICTS)
        self.absent = Absences(absences)

    async def judge(self, critique: Critique) -> Judgement:
        self.absent.maybe()
        return await super().judge(critique)


class Generator(FakeGenerator):
    def __init__(self, path: Path, absences: int, error: InterleaveError | None = None) -> None:
        super().__init__(DirectoryBlobs(path))
        self.absent = Absences(absences, error)

    async def draw(self, job: ImageJob) -> Drawing:
        self.absent.maybe()
        return await super().draw(job)


async def made(
    path: Path,
    planner: Planner,
    critic: Critic,
    generator: Generator,
    patience: float = 60,
    ask: InterleaveRequest = ASK,
) -> Document:
    async with Journal(f"sqlite:///{path}/journal.db") as journal:
        runs = Runs(journal, planner=planner, critic=critic, generator=generator, patience=patience)
        run_id = await runs.start(ask)
        assert await runs.wait(run_id, 120)
        await runs.close()
        return await journal.document(run_id)


async def test_absence_costs_time_and_no_attempts(tmp_path: Path):
    whole = await made(tmp_path / "whole", Planner(0), Critic(0), Generator(tmp_path, 0))
    disturbed = await made(tmp_path / "cut", Planner(2, cuts=1), Critic(2), Generator(tmp_path, 2))
    assert disturbed.status is Status.SUCCEEDED
    assert disturbed.digest == whole.digest
    assert [len(step.attempts) for step in disturbed.steps] == [2, 1, 1]


async def test_patience_ends_in_words_and_what_is_finished_stands(tmp_path: Path):
    class Leaves(Generator):
        async def draw(self, job: ImageJob) -> Drawing:
            if job.prompt == "b":
                raise Unavailable("the generator is away")
            return await super().draw(job)

    document = await made(tmp_path, Planner(0), Critic(0), Leaves(tmp_path, 0), patience=0.3)
    assert document.status is Status.PARTIAL
    assert document.problem and (document.problem.code, document.problem.retryable) == ("unavailable", True)
    assert [step.finished for step in document.steps] == [True, False, False]


async def test_the_runs_own_deadline_ends_the_waiting(tmp_path: Path):
    ask = ASK.model_copy(update={"budget": Budget(max_seconds=0.5)})
    document = await made(tmp_path, Planner(0), Critic(0), Generator(tmp_path, 10_000), ask=ask)
    assert document.status is Status.PARTIAL
    assert document.problem and document.problem.code == "budget_spent" and "away" in document.problem.detail


async def test_the_deadline_ends_a_drawing_that_is_still_waited_for(tmp_path: Path):
    """It is withdrawn, and what was drawn before stands: the refused first attempt settles its step."""

    class Stuck(Generator):
        async def draw(self, job: ImageJob) -> Drawing:
            if job.prompt == "a better a":
                self.asked.append(job)
                await asyncio.Event().wait()
            return await super().draw(job)

    generator = Stuck(tmp_path, 0)
    ask = ASK.model_copy(update={"budget": Budget(max_seconds=1)})
    document = await made(tmp_path, Planner(0), Critic(0), generator, ask=ask)
    assert document.status is Status.PARTIAL
    assert document.problem and document.problem.code == "budget_spent"
    assert "waiting for the generator" in document.problem.detail
    assert [(step.finished, len(step.attempts)) for step in document.steps] == [(True, 1), (False, 0), (False, 0)]
    assert generator.asked[-1] in generator.forgotten


async def test_without_a_worker_patience_runs_out_by_what_was_waited(tmp_path: Path):
    """Each of these calls says that it waited for 40 s itself: two fit into a patience of a minute."""
    generator = Generator(tmp_path, 10_000, NobodyDraws("no generator worker is alive", waited=40.0))
    document = await made(tmp_path, Planner(0), Critic(0), generator, patience=60)
    assert document.status is Status.FAILED
    assert document.problem and (document.problem.code, document.problem.retryable) == ("nobody_draws", True)
    assert "no generator worker is alive" in document.problem.detail
    assert 10_000 - generator.absent.left == 2
    assert len(generator.forgotten) == 1, "nobody waits for it any more"


@pytest.mark.parametrize("retryable", [True, False], ids=["its machine failed", "the job cannot be drawn"])
async def test_a_drawing_that_failed_by_its_machine_is_asked_for_again(tmp_path: Path, retryable: bool):
    error = DrawFailed("the device failed" if retryable else "out of memory")
    error.retryable = retryable
    document = await made(tmp_path, Planner(0), Critic(0), Generator(tmp_path, 2, error))
    assert document.status is (Status.SUCCEEDED if retryable else Status.FAILED)


async def test_a_job_that_always_fails_is_not_asked_for_for_ever(tmp_path: Path):
    error = DrawFailed("the device failed")
    error.retryable = True
    document = await made(tmp_path, Planner(0), Critic(0), Generator(tmp_path, 10_000, error))
    assert document.status is Status.FAILED and document.problem and document.problem.code == "draw_failed"


def test_the_breaker_opens_lets_one_look_and_closes():
    now = [0.0]
    breaker = Breaker("http://away", clock=lambda: now[0])
    for _ in range(FAILURES - 1):
        breaker.failed()
        breaker.check()
    breaker.failed()
    with pytest.raises(KnownAway, match="asked again in"):
        breaker.check()
    now[0] += LONGEST_REST
    breaker.check()  # this one looks
    with pytest.raises(KnownAway):
        breaker.check()  # the others wait meanwhile
    breaker.succeeded()
    breaker.check()


async def test_calls_to_a_service_known_to_be_away_do_not_go_out():
    asked = Counter[str]()

    class Nobody(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            asked["calls"] += 1
            raise httpx2.ConnectError("refused")

    client = ServiceClient("http://nobody.test", patience=0.05, transport=Nobody())
    for _ in range(FAILURES):
        with pytest.raises(Unavailable):
            await client.call("GET", "/")
    before = asked["calls"]
    with pytest.raises(KnownAway):
        await client.call("GET", "/")
    assert asked["calls"] == before
    assert any("does not answer" in problem for problem in await client.ready()), "readiness looks for itself"
    assert asked["calls"] == before + 1
