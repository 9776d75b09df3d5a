"""Waiting as callers see it: a place in the queue, an end of the queue, and lists by status."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from interleavethinker.events import Finished, Started, Status
from interleavethinker.types import Brief, InterleaveRequest
from services.orchestrator.journal import Journal
from services.orchestrator.leases import Leases
from services.orchestrator.tables import EVENTS
from services.orchestrator.waiting import QueueFull
from tests.doors import House
from tests.services.test_editing_api import made, problem, until

ASK = {"prompt": "a story"}


async def test_a_queued_run_says_where_it_stands(house: House):
    gate = asyncio.Event()
    client = await house.open("a", gate=gate, runs_at_once=1)
    runs = [(await client.post("/interleave", json=ASK | {"seed": seed})).json()["id"] for seed in range(3)]
    await until(client, runs[0], "processing")
    listed = (await client.get("/interleave", params={"status": "queued"})).json()["runs"]
    assert [(run["id"], run["queue"]) for run in listed] == [
        (runs[2], {"position": 2, "starts_in_seconds": None}),
        (runs[1], {"position": 1, "starts_in_seconds": None}),
    ]
    assert (await client.get(f"/interleave/{runs[0]}")).json()["queue"] is None
    gate.set()
    await until(client, runs[2], "succeeded")
    gate.clear()
    runs = [(await client.post("/interleave", json=ASK | {"seed": seed})).json()["id"] for seed in (7, 8)]
    await until(client, runs[0], "processing")
    place = (await client.get(f"/interleave/{runs[1]}")).json()["queue"]
    assert place["position"] == 1 and place["starts_in_seconds"] > 0
    gate.set()


async def test_a_full_queue_says_when_to_ask_again(house: House):
    client = await house.open("a", pause=60, runs_at_once=1, queued_per_owner=2)
    first = (await client.post("/interleave", json=ASK)).json()["id"]
    await until(client, first, "processing")
    key = {"Idempotency-Key": "the-second"}
    second = await client.post("/interleave", json=ASK, headers=key)
    await client.post("/interleave", json=ASK)
    full = await client.post("/interleave", json=ASK)
    assert "2 runs wait already" in problem(full, 429)
    assert int(full.headers["retry-after"]) == full.json()["retry_after"] > 0
    assert full.json()["code"] == "queue_full" and full.json()["retryable"]
    again = await client.post("/interleave", json=ASK, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, second.json()["id"]), "what was begun is no further run"
    await client.delete(f"/interleave/{again.json()['id']}")
    assert (await client.post("/interleave", json=ASK)).status_code == 202


async def test_seconds_in_the_queue_are_not_of_the_budget(house: House):
    gate = asyncio.Event()
    client = await house.open("a", gate=gate, runs_at_once=1)
    await client.post("/interleave", json=ASK | {"seed": 1})
    waiting = (await client.post("/interleave", json=ASK | {"budget": {"max_seconds": 30}})).json()["id"]
    await asyncio.sleep(0.5)
    gate.set()
    await until(client, waiting, "succeeded")
    body = (await client.get(f"/interleave/{waiting}")).json()["document"]
    assert body["problem"] is None


async def test_runs_are_listed_by_status(house: House):
    client = await house.open("a")
    done = (await made(client))["id"]
    waiting = (await client.post("/interleave", json=ASK | {"review_plan": True})).json()["id"]
    await until(client, waiting, "waiting")

    async def listed(*statuses: str) -> list[str]:
        answer = await client.get("/interleave", params={"status": list(statuses)})
        return [run["id"] for run in answer.json()["runs"]]

    assert await listed("succeeded") == [done]
    assert await listed("waiting") == [waiting]
    assert await listed("waiting", "succeeded") == await listed() == [waiting, done]
    problem(await client.get("/interleave", params={"status": "asleep"}), 422)


async def test_a_canceled_run_leaves_no_hint_behind(house: House):
    client = await house.open("a", "b", speculate=True, thinking=60)
    run = (await client.post("/interleave", json=ASK)).json()["id"]
    generator = house.generators[0]
    async with asyncio.timeout(300):
        while not generator.foreseen:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await client.delete(f"/interleave/{run}")
    assert generator.forgotten == generator.foreseen


@pytest.mark.parametrize(("took", "under_way", "wait"), [(None, 0, 30), (40, 2, 40), (0.01, 1, 1), (9_000, 1, 300)])
async def test_when_to_ask_again_is_what_recent_runs_say(tmp_path: Path, took: float | None, under_way: int, wait: int):
    """Two tenants wait. With two runs worked on, each of 40 s, one begins every 20 s, and every other is the
    tenant's."""
    ask = InterleaveRequest(brief=Brief(prompt="a"))
    async with Journal(f"sqlite:///{tmp_path}/journal.db") as journal:
        if took is not None:
            done = await journal.create(ask)
            began = (await journal.append(done, Started())).at
            await journal.append(done, Finished(status=Status.SUCCEEDED))
            later = update(EVENTS).where(EVENTS.c.type == "finished").values(at=began + timedelta(seconds=took))
            async with journal.engine.begin() as db:
                await db.execute(later)
        for _ in range(under_way):
            await journal.create(ask, owner="other")
        for claim in await Leases(journal.engine, "replica", 600).claim(under_way):
            await journal.append(claim.run_id, Started())
        for owner in ("other", "acme"):
            await journal.create(ask, owner=owner)
        with pytest.raises(QueueFull) as full:
            await journal.begin(ask, owner="acme", most_waiting=1)
    assert full.value.extra["retry_after"] == wait
