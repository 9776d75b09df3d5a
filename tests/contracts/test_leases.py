"""Leases, fences and take-over, on every database; several journals on one database stand for several replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.events import Drawn, Finished, Resumed, Started, Status, StepFinished, StepPlanned
from interleavethinker.postgres_server import postgres_server
from interleavethinker.types import Brief, InterleaveRequest
from services.orchestrator.claims import Claims
from services.orchestrator.journal import Journal, LeaseLost
from services.orchestrator.leases import Claim, Leases
from services.orchestrator.metrics import TAKEOVERS
from services.orchestrator.reaching import JournalAway
from services.orchestrator.runs import Runs
from services.orchestrator.tables import EVENTS
from tests.fakes import FakeCritic, FakeGenerator, FakePlanner, steps_of
from tests.servers.serve import until

ASK = InterleaveRequest(brief=Brief(prompt="a snowman"), seed=5)
DONE = Finished(status=Status.SUCCEEDED)
LONG = 600.0
MAX_LOSSES = 3


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    async with Journal(database_url) as opened:
        yield opened


async def test_runs_are_claimed_oldest_first_and_each_by_one(journal: Journal):
    runs = [await journal.create(ASK) for _ in range(5)]
    one, two = Leases(journal.engine, "one", LONG), Leases(journal.engine, "two", LONG)
    assert [claim.run_id for claim in await one.claim(2)] == runs[:2]
    assert [claim.run_id for claim in await two.claim(9, under_way=[])] == runs[2:]
    assert await one.claim(9, under_way=runs[:2]) == []
    assert await one.renew(runs) == dict.fromkeys(runs[:2], 1)


async def test_of_many_replicas_one_gets_a_run(journal: Journal):
    runs = [await journal.create(ASK) for _ in range(6)]
    replicas = [Leases(journal.engine, f"replica {number}", LONG) for number in range(4)]
    found = await asyncio.gather(*(replica.claim(6) for replica in replicas))
    assert sorted(claim.run_id for claims in found for claim in claims) == sorted(runs)


async def test_a_lease_that_ran_out_is_taken_over_and_the_old_fence_writes_nothing(journal: Journal):
    run_id = await journal.create(ASK)
    dead, alive = Leases(journal.engine, "dead", 0.05), Leases(journal.engine, "alive", LONG)
    (old,) = await dead.claim(1)
    await journal.append(run_id, Started(), fence=old.fence)
    await asyncio.sleep(0.2)
    (new,) = await alive.claim(1)
    assert (new.run_id, new.fence, new.lost_by) == (run_id, old.fence + 1, "dead")
    for event in (StepFinished(step=1), DONE):
        with pytest.raises(LeaseLost, match="another replica"):
            await journal.append(run_id, event, fence=old.fence)
    assert await dead.renew([run_id]) == {}
    await journal.append(run_id, DONE, fence=new.fence)
    assert [recorded.seq for recorded in await journal.events(run_id)] == [1, 2, 3]
    assert await alive.renew([run_id]) == {}, "what has ended is held by nobody"


async def test_leases_that_run_out_are_counted_until_the_run_comes_further(journal: Journal):
    run_id = await journal.create(ASK)

    async def claimed(holder: str) -> Claim:
        await asyncio.sleep(0.1)
        (claim,) = await Leases(journal.engine, holder, 0.02).claim(1)
        await journal.append(run_id, Started(), fence=claim.fence)  # no progress yet
        return claim

    assert [(await claimed(f"replica {number}")).losses for number in range(3)] == [0, 1, 2]
    last = await claimed("who comes further")
    await journal.append(run_id, StepFinished(step=1), fence=last.fence)
    assert (await claimed("the next")).losses == 1
    let_go = Leases(journal.engine, "lets go", LONG)
    await asyncio.sleep(0.1)
    assert [claim.losses for claim in await let_go.claim(1)] == [2]
    await let_go.release()
    assert (await claimed("after it")).losses == 2, "nothing was lost"


async def test_what_is_let_go_is_claimed_at_once_and_is_no_loss(journal: Journal):
    run_id = await journal.create(ASK)
    one, two = Leases(journal.engine, "one", LONG), Leases(journal.engine, "two", LONG)
    await one.claim(1)
    await one.release()
    (claim,) = await two.claim(1)
    assert (claim.run_id, claim.fence, claim.lost_by) == (run_id, 2, None)


async def test_a_replica_takes_up_what_it_dropped_itself(journal: Journal):
    run_id = await journal.create(ASK)
    one = Leases(journal.engine, "one", LONG)
    await one.claim(1)
    assert await one.claim(1, under_way=[run_id]) == []
    (again,) = await one.claim(1, under_way=[])
    assert (again.fence, again.lost_by) == (2, None)


class Replica:
    """An orchestrator's inside: a journal of its own on the shared database, over the given fakes."""

    def __init__(self, url: str, generator: FakeGenerator, *, at_once: int = 4, lease: float = 1.0) -> None:
        self.journal = Journal(url, poll=0.2)
        self.generator, self.at_once, self.lease = generator, at_once, lease

    async def __aenter__(self) -> Runs:
        await self.journal.__aenter__()
        self.runs = Runs(
            self.journal,
            planner=FakePlanner(steps_of("a", "b")),
            critic=FakeCritic(),
            generator=self.generator,
            at_once=self.at_once,
            lease_seconds=self.lease,
            max_losses=MAX_LOSSES,
        )
        self.runs.open()
        return self.runs

    async def __aexit__(self, *_: object) -> None:
        await self.runs.close()
        await self.journal.__aexit__()


async def test_a_run_goes_on_elsewhere_when_its_replica_falls_silent(database_url: str, blobs: DirectoryBlobs):
    """The silent one lives on and wants to write later: its fence is old, and nothing is written twice."""
    before = TAKEOVERS._value.get()
    gate = asyncio.Event()
    held = FakeGenerator(blobs, gate=gate)
    async with Replica(database_url, held) as silent:
        run_id = await silent.start(ASK)
        await until(lambda: bool(held.asked))
        silent._claims._keeping.cancel()  # as if the process hung: no lease is renewed any more
        async with Replica(database_url, FakeGenerator(blobs)) as other:
            assert await other.wait(run_id, 60)
            gate.set()
            await asyncio.sleep(0.3)
            events = [recorded.event for recorded in await other.journal.events(run_id)]
            document = await other.journal.document(run_id)
    assert document.status is Status.SUCCEEDED
    assert [event.type for event in events].count("started") == 2
    places = [(event.step, event.number) for event in events if isinstance(event, Drawn)]
    assert places == [(1, 1), (2, 1)]
    assert TAKEOVERS._value.get() == before + 1


async def test_a_cancel_reaches_the_owner_through_any_replica(database_url: str, blobs: DirectoryBlobs):
    generator = FakeGenerator(blobs, gate=asyncio.Event())
    async with Replica(database_url, generator, lease=LONG) as owner, Replica(database_url, generator) as other:
        owner._claims.open()
        run_id = await owner.start(ASK)
        await until(lambda: bool(generator.asked))
        assert await other.cancel(run_id) == "requested"
        await until(lambda: not (owner._claims._under_way or other._claims._under_way))
        assert (await owner.journal.document(run_id)).status is Status.CANCELED
        assert await owner.cancel(run_id) == "already_done"


async def test_a_replica_without_room_leaves_runs_to_another(database_url: str, blobs: DirectoryBlobs):
    gate = asyncio.Event()
    async with Replica(database_url, FakeGenerator(blobs, gate=gate), at_once=1) as full:
        first = await full.start(ASK)
        await until(lambda: bool(full._claims._under_way))
        second = await full.start(ASK)
        async with Replica(database_url, FakeGenerator(blobs)) as other:
            assert await other.wait(second, 60)
            gate.set()
            assert await full.wait(first, 60)


async def test_a_run_whose_record_cannot_be_read_ends_and_is_not_taken_up_for_ever(
    database_url: str, blobs: DirectoryBlobs
):
    async with Replica(database_url, FakeGenerator(blobs)) as runs:
        runs._claims._at_once = 0
        run_id = await runs.journal.create(ASK)
        async with runs.journal.engine.begin() as db:
            await db.execute(update(EVENTS).values(body='{"type": "of another version"}'))
        runs._claims._at_once = 1
        while not (await runs.journal.run(run_id)).status.final:  # noqa: ASYNC110 - the database's state
            await asyncio.sleep(0.05)
        assert (await runs.journal.run(run_id)).status is Status.FAILED


@pytest.mark.parametrize("steps", [0, 1], ids=["nothing stands", "a step stands"])
async def test_a_run_that_kills_whoever_works_on_it_is_given_up_and_can_be_resumed(
    database_url: str, blobs: DirectoryBlobs, steps: int
):
    gate = asyncio.Event()
    async with Replica(database_url, FakeGenerator(blobs, gate=gate), at_once=0) as runs:
        run_id = await runs.start(ASK)
        for number in range(MAX_LOSSES + 1):  # each as if killed: it neither renews nor lets go
            (claim,) = await Leases(runs.journal.engine, f"victim {number}", 0.02).claim(1)
            await runs.journal.append(run_id, Started(), fence=claim.fence)
            if steps and number == 0:
                for event in (StepPlanned(step=steps_of("a")[0]), StepFinished(step=1)):
                    await runs.journal.append(run_id, event, fence=claim.fence)
            await asyncio.sleep(0.1)
        runs._claims._at_once = 1
        assert await runs.wait(run_id, 60)
        document = await runs.journal.document(run_id)
        assert document.status is (Status.PARTIAL if steps else Status.FAILED)
        assert document.problem and (document.problem.code, document.problem.retryable) == ("replicas_lost", True)
        assert "orchestrators in a row died" in document.problem.detail
        if not steps:
            gate.set()
            await runs.wish(run_id, [Resumed()])
            assert await runs.wait(run_id, 60)
            assert (await runs.journal.document(run_id)).status is Status.SUCCEEDED


async def test_followers_elsewhere_are_woken_by_postgres(postgres_url: str):
    async with Journal(postgres_url, poll=3600) as here, Journal(postgres_url, poll=3600) as there:
        run_id = await here.create(ASK)
        await until(lambda: bool(here._talking))
        await asyncio.sleep(1)  # until it listens
        waiting = asyncio.ensure_future(anext(here.follow(run_id, after=1)))
        await asyncio.sleep(0.2)
        told = await there.append(run_id, Started())
        assert await asyncio.wait_for(waiting, 60) == told


@pytest.mark.slow
async def test_a_run_outlives_its_database(blobs: DirectoryBlobs, postgres: str):
    """Postgres is killed in the middle of a run: calls say so, the run is dropped, and goes on once it is back."""
    with postgres_server() as server:
        gate = asyncio.Event()
        async with Replica(server.url, FakeGenerator(blobs, gate=gate)) as runs:
            run_id = await runs.start(ASK)
            await until(lambda: bool(runs._claims._under_way))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.kill)
            with pytest.raises(JournalAway, match="does not answer"):
                await runs.journal.create(ASK)
            assert any("does not answer" in problem for problem in await runs.journal.ready())
            gate.set()
            await until(lambda: not runs._claims._under_way)
            await asyncio.to_thread(server.start)
            assert await runs.wait(run_id, 60)
            events = [recorded.event for recorded in await runs.journal.events(run_id)]
            assert (await runs.journal.document(run_id)).status is Status.SUCCEEDED
    places = [(event.step, event.number) for event in events if isinstance(event, Drawn)]
    assert places == [(1, 1), (2, 1)]


async def test_work_ends_also_when_news_come_in_the_same_moment(journal: Journal):
    """A cancel that met a piece of news used to be lost, and whoever closed the replica waited for ever."""

    async def work(claim: object) -> None:
        pass

    for turns in range(12):
        claims = Claims(Leases(journal.engine, "one", LONG), journal.news, work, at_once=1)
        claims.open()
        await asyncio.sleep(0.05)
        journal.news.work.set()
        for _ in range(turns % 4):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await claims.close()
