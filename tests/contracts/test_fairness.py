"""Room is given fairly, on every database: tenants take turns, and none has more than its share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from interleavethinker.events import Finished, PlanApproved, PlanAwaited, Started, Status
from interleavethinker.types import Brief, InterleaveRequest
from services.orchestrator.journal import Journal
from services.orchestrator.leases import Leases
from services.orchestrator.waiting import QueueFull, Waiting, waiting

ASK = InterleaveRequest(brief=Brief(prompt="a snowman"), seed=5)
LONG = 600.0


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    async with Journal(database_url) as opened:
        yield opened


async def queue(journal: Journal, *owners: str | None) -> list[str]:
    return [await journal.create(ASK, owner=owner) for owner in owners]


async def served(journal: Journal, leases: Leases, count: int) -> list[str]:
    """Runs in the order in which they are given room, where there is room for one at a time."""
    order = []
    for _ in range(count):
        (claim,) = await leases.claim(1)
        order.append(claim.run_id)
        await journal.append(claim.run_id, Finished(status=Status.SUCCEEDED), fence=claim.fence)
    return order


async def test_a_tenant_with_a_long_queue_does_not_starve_another(journal: Journal):
    many = await queue(journal, *["a"] * 20)
    few = await queue(journal, "b", "b", None)
    order = await served(journal, Leases(journal.engine, "one", LONG), 8)
    assert order == [many[0], few[0], few[2], many[1], few[1], many[2], many[3], many[4]]


async def test_the_queue_says_who_is_next_as_room_is_given(journal: Journal):
    runs = await queue(journal, "a", "a", "a", "b", "c", "b")
    leases = Leases(journal.engine, "one", LONG)
    await served(journal, leases, 1)
    found = await waiting(journal.engine)
    told = sorted(runs[1:], key=lambda run_id: found.place(run_id, 1).position)
    assert await served(journal, leases, 5) == told
    assert found.place(runs[0], 1) is None


async def test_a_tenant_has_no_more_than_its_share_over_all_replicas(journal: Journal):
    await queue(journal, *["a"] * 5, "b")
    replicas = [Leases(journal.engine, f"replica {number}", LONG, per_owner=2) for number in range(4)]
    found = await asyncio.gather(*(replica.claim(5) for replica in replicas))
    claims = [claim for each in found for claim in each]
    owners = [(await journal.run(claim.run_id)).owner for claim in claims]
    assert sorted(owners) == ["a", "a", "b"]
    ended = next(claim for claim, owner in zip(claims, owners, strict=True) if owner == "a")
    await journal.append(ended.run_id, Finished(status=Status.SUCCEEDED), fence=ended.fence)
    assert len(await Leases(journal.engine, "another", LONG, per_owner=2).claim(5)) == 1


async def test_a_share_is_not_spent_on_what_a_replica_dropped(journal: Journal):
    (run_id,) = await queue(journal, "a")
    one = Leases(journal.engine, "one", LONG, per_owner=1)
    await one.claim(1)
    assert [claim.run_id for claim in await one.claim(1, under_way=[])] == [run_id]


async def test_a_waiting_run_holds_no_place(journal: Journal):
    first, second = await queue(journal, "a", "a")
    leases = Leases(journal.engine, "one", LONG, per_owner=1)
    (claim,) = await leases.claim(5)
    await journal.append(first, Started(), fence=claim.fence)
    await journal.append(first, PlanAwaited(), fence=claim.fence)
    assert [claim.run_id for claim in await leases.claim(5)] == [second]
    assert await leases.renew([first, second]) == {second: 1}
    await journal.wish(first, [PlanApproved()])
    assert await leases.claim(5, under_way=[second]) == [], "its tenant's share is spent"
    await journal.append(second, Finished(status=Status.SUCCEEDED))
    assert [claim.run_id for claim in await leases.claim(5)] == [first]


async def test_a_tenants_queue_has_an_end(journal: Journal):
    for _ in range(2):
        await journal.begin(ASK, owner="a", most_waiting=2)
    with pytest.raises(QueueFull, match="2 runs wait already"):
        await journal.begin(ASK, owner="a", most_waiting=2)
    await journal.begin(ASK, owner="b", most_waiting=2)
    assert len((await journal.runs(owner="a")).runs) == 2


async def test_runs_are_listed_by_status_and_owner(journal: Journal):
    mine = await queue(journal, "a", "a", "a")
    await queue(journal, "b")
    await journal.append(mine[0], Finished(status=Status.CANCELED))
    listed = await journal.runs(owner="a", statuses=[Status.QUEUED])
    assert [run.id for run in listed.runs] == [mine[2], mine[1]]
    assert [run.id for run in (await journal.runs(owner="a", statuses=[Status.CANCELED, Status.FAILED])).runs] == [
        mine[0]
    ]


async def test_the_estimate_comes_from_what_recent_runs_took(journal: Journal):
    await queue(journal, "a", "a")
    assert [
        (await waiting(journal.engine)).place(run.id, 1).starts_in for run in (await journal.runs(owner="a")).runs
    ] == [None] * 2
    (claim,) = await Leases(journal.engine, "one", LONG).claim(1)
    await journal.append(claim.run_id, Started(), fence=claim.fence)
    await asyncio.sleep(0.2)
    await journal.append(claim.run_id, Finished(status=Status.SUCCEEDED), fence=claim.fence)
    (took,) = (await waiting(journal.engine)).seconds
    assert 0.1 < took < 100


def test_positions_and_estimates():
    found = Waiting([("1", "a"), ("2", "a"), ("3", "b")], ["b", "a"], under_way=2, replicas=2, seconds=[10.0, 30.0])
    assert [found.place(run_id, 1) for run_id in "132"] == [(2, 20.0), (1, 10.0), (3, 30.0)]
    assert found.place("2", 4) == (3, 0.0), "there is room for six more"
    assert found._replace(seconds=[]).place("1", 1) == (2, None)
