"""The same call twice with one key does its work once, on every database, whichever replica hears it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from interleavethinker.blobs import DirectoryBlobs
from tests.doors import House
from tests.services.test_editing_api import made, problem

ASK = {"prompt": "a story"}
KEY = {"Idempotency-Key": "0a6b0f0e-5d1f-4a4c-9f0e-2f6f6f0f9a11"}


@pytest.fixture
async def houses(database_url: str, blobs: DirectoryBlobs) -> AsyncIterator[House]:
    opened = House(database_url, blobs)
    try:
        yield opened
    finally:
        await opened.close()


async def runs(client) -> int:
    return len((await client.get("/interleave", params={"limit": 100})).json()["runs"])


async def test_the_same_call_gives_the_same_run_also_in_flight(houses: House):
    client = await houses.open(pause=1)
    first = await client.post("/interleave", json=ASK, headers=KEY)
    again = await client.post("/interleave", json={"seed": 0, **ASK}, headers=KEY)
    assert first.json()["id"] == again.json()["id"] and again.status_code == 202
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    late = await client.post("/interleave", json=ASK, headers=KEY | {"Prefer": "wait=300"})
    assert (late.status_code, late.json()["id"]) == (200, first.json()["id"])
    other = await client.post("/interleave", json=ASK, headers={"Idempotency-Key": "another"})
    assert other.json()["id"] != first.json()["id"]


async def test_the_same_key_with_another_body_is_refused(houses: House):
    client = await houses.open()
    first = (await client.post("/interleave", json=ASK, headers=KEY)).json()
    response = await client.post("/interleave", json=ASK | {"seed": 1}, headers=KEY)
    assert "give each request a key of its own" in problem(response, 422)
    assert (response.json()["code"], response.json()["run_id"]) == ("idempotency_key_reused", first["id"])
    problem(await client.post(f"/interleave/{first['id']}/branch", json={"from_step": 1}, headers=KEY), 422)


async def test_of_many_at_once_at_two_replicas_one_begins_a_run(houses: House):
    replicas = [await houses.open(), await houses.open()]
    before = await runs(replicas[0])
    calls = [replicas[place % 2].post("/interleave", json=ASK, headers=KEY) for place in range(10)]
    answers = await asyncio.gather(*calls)
    assert [answer.status_code for answer in answers] == [202] * 10
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await runs(replicas[0]) == before + 1


async def test_keys_are_forgotten_after_the_settings_time(houses: House):
    client = await houses.open(idempotency_seconds=0.2)
    first = await client.post("/interleave", json=ASK, headers=KEY)
    await asyncio.sleep(0.3)
    again = await client.post("/interleave", json=ASK, headers=KEY)
    assert first.json()["id"] != again.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "clé"])
async def test_odd_keys_are_refused(house: House, key: str):
    client = await house.open()
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    problem(await client.post("/interleave", json=ASK, headers=headers), 422)


async def test_a_wish_with_a_key_is_done_once(house: House):
    client = await house.open("a", "b")
    run = (await made(client, budget={"max_draws": 3}))["id"]
    wishes = [
        (f"/interleave/{run}/steps/2/redraw", {"prompt": "x"}),
        (f"/interleave/{run}/steps/2/keep", {"attempt": 1}),
        (f"/interleave/{run}/branch", {"from_step": 2}),
        (f"/interleave/{run}/continue", {"prompt": "on"}),
    ]
    for number, (path, body) in enumerate(wishes):
        headers = {"Idempotency-Key": f"wish-{number}", "Prefer": "wait=300"}
        first = await client.post(path, json=body, headers=headers)
        again = await client.post(path, json=body, headers=headers)
        assert (first.status_code, again.status_code) == (200, 200), again.text
        assert first.json() == again.json(), path
        assert "another request" in problem(
            await client.post(
                path, json=body | {"seed": 3} if number in (0, 2, 3) else {"attempt": 2}, headers=headers
            ),
            422,
        )
    assert house.drawn.count("x") == 1
    assert await runs(client) == 3


async def test_an_approval_with_a_key_is_done_once(house: House):
    client = await house.open("a")
    run = (await client.post("/interleave", json=ASK | {"review_plan": True})).json()["id"]
    while (await client.get(f"/interleave/{run}")).json()["status"] != "waiting":  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    answers = [
        await client.post(f"/interleave/{run}/plan/approve", headers=KEY | {"Prefer": "wait=300"}) for _ in range(2)
    ]
    assert [answer.json()["status"] for answer in answers] == ["succeeded"] * 2
    problem(await client.post(f"/interleave/{run}/plan/approve"), 409)
