"""A finished document changed over HTTP: texts, order, steps, references; and runs found again."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.doors import House, picture
from tests.services.test_editing_api import WAIT, made, problem, until


def shown(view: dict[str, Any]) -> list[tuple[int, int, bool]]:
    return [(entry["step"]["index"], entry["number"], entry["stale"]) for entry in view["document"]["steps"]]


async def test_texts_are_edited_and_nothing_is_drawn(house: House):
    client = await house.open("a", "b")
    run = (await made(client))["links"]["self"]
    edited = (await client.patch(f"{run}/steps/1", json={"name": "One", "instruction": None})).json()
    step = edited["document"]["steps"][0]["step"]
    assert (step["name"], step["instruction"], step["prompt"]) == ("One", None, "a")
    asked = (await client.patch(f"{run}/steps/1", json={"prompt": "x <image> y"})).json()["document"]
    assert [(e["reworded"], e["stale"]) for e in asked["steps"]] == [(True, True), (False, True)]
    assert asked["steps"][0]["step"]["prompt"] == "x   y", "no marker is left in it"
    assert house.drawn == ["a", "b"]
    redrawn = (await client.post(f"{run}/steps/1/redraw", json={}, headers=WAIT)).json()
    assert redrawn["document"]["steps"][0]["attempts"][1]["prompt"] == "x   y" and shown(redrawn)[0] == (1, 1, False)
    assert "no step 9" in problem(await client.patch(f"{run}/steps/9", json={"name": "x"}), 404)
    assert problem(await client.patch(f"{run}/steps/1", json={"prompt": None}), 422)
    assert problem(await client.patch(f"{run}/steps/1", json={"index": 4}), 422)


async def test_a_waiting_plan_is_edited_step_by_step(house: House):
    client = await house.open("a", "b")
    run = (await client.post("/interleave", json={"prompt": "s", "review_plan": True})).json()["id"]
    await until(client, run, "waiting")
    await client.patch(f"/interleave/{run}/steps/2", json={"prompt": "x"})
    assert "wait for its end" in problem(await client.delete(f"/interleave/{run}/steps/2"), 409)
    await client.post(f"/interleave/{run}/plan/approve", headers=WAIT)
    assert house.drawn == ["a", "x"]


async def test_a_run_under_way_is_not_changed(house: House):
    client = await house.open(pause=60)
    run = (await client.post("/interleave", json={"prompt": "s"})).json()["links"]["self"]
    await asyncio.sleep(0.2)
    for method, path, body in (
        ("PATCH", "/steps/1", {"name": "x"}), ("DELETE", "/steps/1", None), ("PUT", "/order", {"steps": [2, 1]}),
        ("POST", "/steps", {"after": 1, "name": "x"}), ("PUT", "/references", {"references": [picture()]}),
    ):  # fmt: skip
        assert "wait for its end" in problem(await client.request(method, run + path, json=body), 409)
    await client.delete(run)


async def test_steps_are_moved_taken_out_and_put_back(house: House):
    client = await house.open("a", "b", "c")
    first = await made(client)
    run = first["links"]["self"]
    moved = (await client.put(f"{run}/order", json={"steps": [3, 1, 2]})).json()
    assert shown(moved) == [(3, 1, True), (1, 2, True), (2, 3, True)]
    gone = (await client.delete(f"{run}/steps/1")).json()
    assert shown(gone) == [(3, 1, True), (2, 2, True)]
    assert [entry["step"]["index"] for entry in gone["document"]["deleted"]] == [1]
    image = gone["document"]["deleted"][0]["attempts"][0]["image"]["digest"]
    assert (await client.get(gone["images"][image])).status_code == 200
    assert "is deleted" in problem(await client.post(f"{run}/steps/1/redraw", json={}), 404)
    back = (await client.put(f"{run}/order", json={"steps": [1, 2, 3]})).json()
    assert (back["digest"], back["status"]) == (first["digest"], "succeeded") and back["document"]["deleted"] == []
    for order, words in (([1, 2], "3 is missing"), ([1, 1, 2, 3], "more than once"), ([1, 2, 3, 4], "no step 4")):
        assert words in problem(await client.put(f"{run}/order", json={"steps": order}), 422)


async def test_an_inserted_step_is_drawn_and_its_number_follows_the_order(house: House):
    client = await house.open("a", "b")
    run = (await made(client))["links"]["self"]
    wish = {"after": 1, "name": "Scarf", "instruction": "Tie it.", "prompt": "x", "later": "redraw"}
    once = {"Idempotency-Key": "once"}
    done = (await client.post(f"{run}/steps", json=wish, headers=WAIT | once)).json()
    assert shown(done) == [(1, 1, False), (3, 2, False), (2, 3, False)] and house.drawn == ["a", "b", "x", "b"]
    again = await client.post(f"{run}/steps", json=wish, headers=WAIT | once)
    assert again.headers["idempotency-replayed"] == "true" and shown(again.json()) == shown(done)
    words = await client.post(f"{run}/steps", json={"after": 0, "auxiliary_text": "Before you begin"})
    assert (words.status_code, words.json()["status"], words.json()["steps"]) == (202, "succeeded", 4)
    assert shown((await client.get(run)).json())[0] == (4, 1, False)
    assert "says nothing" in problem(await client.post(f"{run}/steps", json={"after": 0, "name": " "}), 422)
    assert "no step 9" in problem(await client.post(f"{run}/steps", json={"after": 9, "prompt": "x"}), 404)


async def test_two_inserts_at_once_are_two_steps(house: House):
    client = await house.open("a")
    run = (await made(client))["links"]["self"]
    both = await asyncio.gather(
        *(client.post(f"{run}/steps", json={"after": 1, "name": name}) for name in ("one", "two"))
    )
    assert [answer.status_code for answer in both] == [202, 202]
    steps = (await client.get(run)).json()["document"]["steps"]
    assert sorted(entry["step"]["index"] for entry in steps) == [1, 2, 3]
    assert {entry["step"]["name"] for entry in steps[1:]} == {"one", "two"}


async def test_an_inserted_step_goes_on_after_a_restart(house: House):
    client = await house.open("a", "b")
    run = (await made(client))["id"]
    await house.close()
    slow = await house.open("a", "b", pause=60)
    await slow.post(f"/interleave/{run}/steps", json={"after": 1, "prompt": "x"})
    await house.close()
    again = await house.open("a", "b")
    await until(again, run, "succeeded")
    done = (await again.get(f"/interleave/{run}")).json()
    assert shown(done) == [(1, 1, False), (3, 2, False), (2, 3, True)] and house.drawn == ["a", "b", "x"]


async def test_a_picture_of_the_document_is_pinned(house: House):
    client = await house.open("a", "b")
    made_ = await made(client)
    run = made_["links"]["self"]
    hero = made_["document"]["steps"][0]["attempts"][0]["image"]["digest"]
    pinned = (await client.put(f"{run}/references", json={"references": [hero]})).json()
    assert [image["digest"] for image in pinned["document"]["request"]["references"]] == [hero]
    own = {"references": [picture()], "prompt": "y", "after": 2}
    done = (await client.post(f"{run}/steps", json=own, headers=WAIT)).json()
    references = done["document"]["steps"][2]["attempts"][0]["references"]
    assert len(references) == 2 and references[1]["digest"] != hero
    redrawn = (await client.post(f"{run}/steps/2/redraw", json={}, headers=WAIT)).json()["document"]["steps"][1]
    assert [image["digest"] for image in redrawn["attempts"][1]["references"]] == [hero, hero]
    assert not redrawn["stale"]
    assert "no image with the digest" in problem(
        await client.put(f"{run}/references", json={"references": ["0" * 64]}), 422
    )


async def test_the_list_shows_and_finds_runs(house: House):
    client = await house.open("a", "b")
    first = await made(client, prompt="How do I draw 100% of a SCHNEEMÄNNCHEN?")
    second = await made(client, prompt="a_b: a story")
    await client.patch(f"{second['links']['self']}/steps/2", json={"name": "The Ärger"})

    async def found(search: str) -> list[str]:
        return [run["id"] for run in (await client.get("/interleave", params={"search": search})).json()["runs"]]

    assert await found("schneemännchen") == await found("100%") == [first["id"]]
    assert await found("a_b") == await found("the ÄRGER") == [second["id"]]
    assert await found("step 1") == await found(" ") == [second["id"], first["id"]]
    assert await found("0_% of") == await found("100_") == await found("\\") == await found("\x00x") == []
    (entry,) = (await client.get("/interleave", params={"search": "100"})).json()["runs"]
    last = first["document"]["steps"][1]["attempts"][0]["image"]["digest"]
    assert (entry["title"], entry["steps"], entry["cover"]["digest"]) == (entry["prompt"], 2, last)
    assert (await client.get(entry["cover"]["url"])).status_code == 200
    await client.put(f"{first['links']['self']}/order", json={"steps": [2, 1]})
    (entry,) = (await client.get("/interleave", params={"search": "100"})).json()["runs"]
    assert entry["cover"]["digest"] == first["document"]["steps"][0]["attempts"][0]["image"]["digest"]


async def test_notes_travel_with_the_brief(house: House):
    client = await house.open("a", "b. Style: flat colours")
    notes = {"style": "flat\ncolours <image>", "characters": "Tom, a snowman"}
    done = await made(client, **notes)
    brief = done["document"]["request"]["brief"]
    assert (brief["style"], brief["characters"]) == ("flat\ncolours  ", "Tom, a snowman")
    run = done["links"]["self"]
    drawn = (await client.post(f"{run}/steps/1/redraw", json={"prompt": "c"}, headers=WAIT)).json()
    assert drawn["document"]["steps"][0]["attempts"][1]["prompt"] == "c Style: flat colours"
    plain = (await made(client))["document"]["request"]["brief"]
    assert "style" not in plain and "characters" not in plain
    assert problem(await client.post("/interleave", json={"prompt": "a", "style": "x" * 2_001}), 422)
