"""Going on with a run over HTTP: redraw, keep, branch, continue, and plans that wait for a word."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2

from interleavethinker.events import Recorded
from interleavethinker.http import read_sse
from tests.doors import House

ASK = {"prompt": "a story"}
WAIT = {"Prefer": "wait=300"}


async def made(client: httpx2.AsyncClient, **ask: Any) -> dict[str, Any]:
    response = await client.post("/interleave", json=ASK | ask, headers=WAIT)
    assert response.status_code == 200, response.text
    return response.json()


def problem(response: httpx2.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()["detail"]


async def test_a_step_is_redrawn_and_the_old_attempt_can_be_brought_back(house: House):
    client = await house.open("a", "b")
    run = (await made(client))["links"]["self"]
    body = (await client.post(f"{run}/steps/1/redraw", json={"prompt": "x"}, headers=WAIT)).json()
    first, second = body["document"]["steps"]
    assert (body["status"], first["kept"], len(first["attempts"]), first["attempts"][1]["prompt"]) == (
        "succeeded", 2, 2, "x",
    )  # fmt: skip
    assert (first["stale"], second["stale"]) == (False, True)
    kept = (await client.post(f"{run}/steps/1/keep", json={"attempt": 1})).json()
    assert [(s["kept"], s["chosen"], s["stale"]) for s in kept["document"]["steps"]] == [
        (1, True, False), (1, False, False),
    ]  # fmt: skip
    events = await client.get(f"{run}/events")
    types = [event.event async for event in read_sse(events.aiter_lines()) if event.event != "progress"]
    assert types.count("finished") == 2 and types[-1] == "attempt_kept"
    assert house.drawn == ["a", "b", "x"]


async def test_later_steps_are_redrawn_when_asked(house: House):
    client = await house.open("a", "b", "c")
    run = (await made(client))["links"]["self"]
    wish = {"seed": 9, "later": "redraw"}
    answer = await client.post(f"{run}/steps/2/redraw", json=wish, headers={"Accept": "text/event-stream"})
    events = [event async for event in read_sse(answer.aiter_lines()) if event.event != "progress"]
    told = [Recorded.model_validate_json(event.data).event for event in events]
    assert [event.type for event in told[:3]] == ["step_reopened", "step_reopened", "started"]
    assert [event.step for event in told if event.type == "drawn"] == [2, 3]


async def test_a_run_under_way_takes_no_wish(house: House):
    client = await house.open(pause=60)
    run = (await client.post("/interleave", json=ASK)).json()["links"]["self"]
    await asyncio.sleep(0.2)
    assert "wait for its end, or cancel it" in problem(await client.post(f"{run}/steps/1/redraw", json={}), 409)
    assert "not finished" in problem(await client.post(f"{run}/steps/1/keep", json={"attempt": 1}), 409)
    assert "review_plan" in problem(await client.post(f"{run}/plan/approve"), 409)
    assert problem(await client.put(f"{run}/plan", json={"steps": [{"index": 1}]}), 409)
    await client.delete(run)


async def test_wishes_that_cannot_be(house: House):
    client = await house.open("a", None)
    run = (await made(client))["links"]["self"]
    assert "no step 9" in problem(await client.post(f"{run}/steps/9/redraw", json={}), 404)
    assert "words only" in problem(await client.post(f"{run}/steps/2/redraw", json={}), 409)
    assert "no attempt 3" in problem(await client.post(f"{run}/steps/1/keep", json={"attempt": 3}), 404)
    assert "no step 9" in problem(await client.post(f"{run}/branch", json={"from_step": 9}), 404)
    for path, body in [
        ("steps/1/redraw", {}), ("steps/1/keep", {"attempt": 1}), ("branch", {"from_step": 1}), ("plan/approve", None),
        ("continue", {"prompt": "on"}),
    ]:  # fmt: skip
        problem(await client.post(f"/interleave/run_none/{path}", json=body), 404)


async def test_a_spent_budget_is_said_before_anything_is_begun(house: House):
    client = await house.open("a")
    run = (await made(client, budget={"max_draws": 1}))["links"]["self"]
    assert "give a higher `budget`" in problem(await client.post(f"{run}/steps/1/redraw", json={}), 409)
    assert (await client.get(run)).json()["status"] == "succeeded"
    wish = {"budget": {"max_draws": 2}}
    body = (await client.post(f"{run}/steps/1/redraw", json=wish, headers=WAIT)).json()
    assert (body["status"], body["document"]["steps"][0]["kept"]) == ("succeeded", 2)


async def test_a_redraw_goes_on_after_a_restart(house: House):
    client = await house.open("a", "b")
    run = (await made(client))["id"]
    await house.close()
    slow = await house.open("a", "b", pause=60)
    await slow.post(f"/interleave/{run}/steps/2/redraw", json={"prompt": "x"})
    assert (await slow.get(f"/interleave/{run}")).json()["document"]["steps"][1]["reopened"]["prompt"] == "x"
    await house.close()
    again = await house.open("a", "b")
    _ = [event async for event in read_sse((await again.get(f"/interleave/{run}/events")).aiter_lines())]
    steps = (await again.get(f"/interleave/{run}")).json()["document"]["steps"]
    assert [step["attempts"][-1]["prompt"] for step in steps] == ["a", "x"]


async def test_a_branch_is_a_new_run_with_the_shared_beginning(house: House):
    client = await house.open("a", "b", "c")
    origin = await made(client)
    wish = {"from_step": 3, "seed": 4, "critic": "off"}
    body = (await client.post(f"{origin['links']['self']}/branch", json=wish, headers=WAIT)).json()
    assert body["id"] != origin["id"] and body["status"] == "succeeded"
    assert body["document"]["origin"] == {"run_id": origin["id"], "from_step": 3}
    assert body["document"]["steps"][:2] == origin["document"]["steps"][:2]
    assert (body["document"]["request"]["seed"], body["document"]["request"]["critic"]) == (4, "off")
    assert house.drawn == ["a", "b", "c", "c"]
    for step in body["document"]["steps"]:
        digest = step["attempts"][0]["image"]["digest"]
        assert (await client.get(f"{body['links']['self']}/images/{digest}")).status_code == 200


async def test_a_document_is_continued(house: House):
    client = await house.open("a", "b")
    origin = await made(client)
    body = (await client.post(f"{origin['links']['self']}/continue", json={"prompt": "and then?"}, headers=WAIT)).json()
    brief = body["document"]["request"]["brief"]
    assert [image["digest"] for image in brief["images"]] == [
        step["attempts"][0]["image"]["digest"] for step in origin["document"]["steps"]
    ]
    assert brief["prompt"].endswith("and then?") and brief["prompt"].count("<image>") == 2
    assert body["document"]["steps"][0]["attempts"][0]["references"][0] == brief["images"][-1]


async def test_a_plan_waits_for_its_word_also_over_a_restart(house: House):
    client = await house.open("a", "b")
    run = (await client.post("/interleave", json=ASK | {"review_plan": True})).json()["id"]
    await until(client, run, "waiting")
    assert house.drawn == []
    await house.close()
    client = await house.open("never", runs_at_once=1)
    assert (await made(client))["status"] == "succeeded", "a waiting run holds no place"
    edit = {"steps": [{"index": 1, "prompt": "a"}, {"index": 2, "prompt": "y"}, {"index": 3, "auxiliary_text": "end"}]}
    edited = (await client.put(f"/interleave/{run}/plan", json=edit)).json()
    assert [step["step"]["prompt"] for step in edited["document"]["steps"]] == ["a", "y", None]
    gap = {"steps": [{"index": 1, "prompt": "a"}, {"index": 3, "prompt": "y"}]}
    assert "without a gap" in problem(await client.put(f"/interleave/{run}/plan", json=gap), 422)
    body = (await client.post(f"/interleave/{run}/plan/approve", headers=WAIT)).json()
    assert body["status"] == "succeeded" and house.drawn == ["never", "a", "y"]


async def test_a_waiting_run_can_be_canceled(house: House):
    client = await house.open("a")
    run = (await client.post("/interleave", json=ASK | {"review_plan": True})).json()["id"]
    await until(client, run, "waiting")
    assert (await client.delete(f"/interleave/{run}")).json() == {"cancel": "requested"}
    problem(await client.post(f"/interleave/{run}/plan/approve"), 409)


async def test_pinned_references_are_given_to_every_drawing(house: House, picture: str):
    client = await house.open("a", "b")
    body = await made(client, references=[picture])
    (pinned,) = body["document"]["request"]["references"]
    references = [step["attempts"][0]["references"] for step in body["document"]["steps"]]
    assert [names[-1] for names in references] == [pinned, pinned] and [len(names) for names in references] == [1, 2]
    assert "references[0]: not base64" in problem(
        await client.post("/interleave", json=ASK | {"references": ["?"]}), 422
    )


async def until(client: httpx2.AsyncClient, run: str, status: str) -> None:
    async with asyncio.timeout(300):
        while (await client.get(f"/interleave/{run}")).json()["status"] != status:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
