"""A run's caller may redraw, branch, keep, approve, continue, cancel, resume and read it; nobody else may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from interleavethinker.blobs import DirectoryBlobs, TenantBlobs
from services.orchestrator.access import Permission
from services.orchestrator.access_settings import LinkSettings, RateSettings
from tests.doors import SNOWMAN, WAIT, key, opened, picture

NO_RUN = f"run_{'0' * 24}"
BODIES: dict[str, Any] = {
    "/interleave/{run_id}/resume": {},
    "/interleave/{run_id}/steps/{step}/redraw": {"prompt": "x"},
    "/interleave/{run_id}/steps/{step}/keep": {"attempt": 1},
    "/interleave/{run_id}/branch": {"from_step": 1},
    "/interleave/{run_id}/continue": {"prompt": "on"},
    "/interleave/{run_id}/plan": {"steps": [{"index": 1, "prompt": "x"}]},
    "/interleave/{run_id}/plan/approve": None,
    "/interleave/{run_id}/steps": {"after": 1, "prompt": "x"},
    "/interleave/{run_id}/steps/{step}": {"name": "x"},
    "/interleave/{run_id}/order": {"steps": [2, 1]},
    "/interleave/{run_id}/references": {"references": []},
    "/interleave/{run_id}/share": {"expires_in": 60},
}
Route = tuple[str, str]


def routes(api: dict[str, Any]) -> list[Route]:
    """Every (METHOD, path) with a run in it."""
    return [(method.upper(), path) for path, found in api["paths"].items() if "{run_id}" in path for method in found]


async def made(client: httpx2.AsyncClient, caller: dict[str, str], **ask: Any) -> dict[str, Any]:
    response = await client.post("/interleave", json=SNOWMAN | ask, headers=caller | WAIT)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def call(
    client: httpx2.AsyncClient, route: Route, run_id: str, caller: dict[str, str], digest: str = "0" * 64
) -> httpx2.Response:
    method, path = route
    where = path.format(run_id=run_id, step=1, number=1, digest=digest)
    return await client.request(method, where, headers=caller, **({"json": BODIES[path]} if path in BODIES else {}))


async def test_what_another_tenant_asks_of_a_run_is_asked_of_no_run(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, TenantBlobs(blobs), auth="keys") as (app, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        run = await made(client, ours, images=[picture()])
        waiting = (await client.post("/interleave", json=SNOWMAN | {"review_plan": True}, headers=ours)).json()["id"]
        digest = next(iter(run["images"]))
        before = (await client.get(f"/interleave/{run['id']}/events", headers=ours)).text
        asked = routes(app.openapi())
        assert {path for _, path in asked} >= set(BODIES) and len(asked) >= 12
        for route in asked:
            unknown = await call(client, route, NO_RUN, theirs, digest)
            for run_id in (run["id"], waiting):
                found = await call(client, route, run_id, theirs, digest)
                assert found.status_code == unknown.status_code == 404, route
                assert found.text.replace(run_id, "") == unknown.text.replace(NO_RUN, ""), route
        assert (await client.get(f"/interleave/{run['id']}/events", headers=ours)).text == before
        assert (await client.get("/interleave", headers=theirs)).json()["runs"] == []


async def test_who_may_only_read_changes_nothing(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys") as (app, client):
        write, read = await key(tmp_path, "ours"), await key(tmp_path, "ours", [Permission.READ])
        run = await made(client, write)
        digest = next(iter(run["images"]))
        await client.post(f"/interleave/{run['id']}/share", headers=write)
        silent = {"preview": 404, "export": 422}  # nothing is being drawn; no format is said
        for route in routes(app.openapi()):
            answer = await call(client, route, run["id"], read, digest)
            read_well = silent.get(route[1].rpartition("/")[2], 200)
            assert answer.status_code == (read_well if route[0] == "GET" else 403), route


async def test_a_key_for_repeated_calls_is_its_tenants_own(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, TenantBlobs(blobs), auth="keys") as (_, client):
        again = {"Idempotency-Key": "the-same"}
        # A tenant may be called as one would call nobody.
        callers = [await key(tmp_path, name) | again for name in ("ours", "theirs", "default")]
        firsts = [await made(client, caller) for caller in callers]
        assert len({first["id"] for first in firsts}) == 3
        for caller, first in zip(callers, firsts, strict=True):
            repeated = await client.post("/interleave", json=SNOWMAN, headers=caller | WAIT)
            assert (repeated.json()["id"], repeated.headers["idempotency-replayed"]) == (first["id"], "true")
        other = await client.post("/interleave", json=SNOWMAN | {"seed": 3}, headers=callers[1])
        assert (other.status_code, other.json()["run_id"]) == (422, firsts[1]["id"])


async def test_new_runs_of_old_ones_are_their_callers_and_their_links_open(tmp_path: Path, blobs: DirectoryBlobs):
    links = LinkSettings(secret="a secret of thirty-two characters")
    async with opened(tmp_path, TenantBlobs(blobs), auth="keys", links=links) as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        run = await made(client, ours, images=[picture()], references=[picture(color="blue")])
        for path, body in [
            ("steps/2/redraw", {"prompt": "x"}), ("branch", {"from_step": 2}), ("continue", {"prompt": "and then?"}),
        ]:  # fmt: skip
            answer = await client.post(f"/interleave/{run['id']}/{path}", json=body, headers=ours | WAIT)
            shown = answer.json()
            assert (answer.status_code, shown["status"]) == (200, "succeeded"), answer.text
            assert len(shown["images"]) >= 4
            for link in shown["images"].values():
                assert (await client.get(link)).status_code == 200
            assert (await client.get(f"/interleave/{shown['id']}", headers=theirs)).status_code == 404
        assert len((await client.get("/interleave", headers=ours)).json()["runs"]) == 3


async def test_whatever_sets_a_run_going_counts(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys", rates=RateSettings(runs_per_minute=2)) as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        run = await made(client, ours)
        assert (await client.post(f"/interleave/{run['id']}/branch", json={"from_step": 2}, headers=ours)).is_success
        for path, body in [("steps/1/redraw", {}), ("branch", {"from_step": 1}), ("continue", {"prompt": "on"})]:
            refused = await client.post(f"/interleave/{run['id']}/{path}", json=body, headers=ours)
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert int(refused.headers["retry-after"]) > 0
        assert (await client.post("/interleave", json=SNOWMAN, headers=theirs)).status_code == 202


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys", runs_at_once_per_owner=1, queued_per_owner=1) as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        answers = [await client.post("/interleave", json=SNOWMAN, headers=ours) for _ in range(12)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused and refused[0].json()["code"] == "queue_full"
        assert refused[0].headers["retry-after"] == str(refused[0].json()["retry_after"])
        assert (await client.post("/interleave", json=SNOWMAN, headers=theirs)).status_code == 202


@pytest.mark.parametrize("path", ["steps/1/redraw", "branch", "continue", "plan"])
async def test_callers_texts_are_plain_wherever_they_come_in(tmp_path: Path, blobs: DirectoryBlobs, path: str):
    hidden = "a \u202ehill\u202c with \U000e0041 a tree"

    def body(text: str) -> dict[str, Any]:
        step = {"index": 1, "prompt": text, "instruction": text, "auxiliary_text": text, "name": text}
        return {
            "steps/1/redraw": {"prompt": text},
            "branch": {"from_step": 1, "steps": [step]},
            "continue": {"prompt": text},
            "plan": {"steps": [step]},
        }[path]

    async with opened(tmp_path, blobs) as (_, client):
        if path == "plan":
            run = (await client.post("/interleave", json=SNOWMAN | {"review_plan": True})).json()["id"]
            while (await client.get(f"/interleave/{run}")).json()["status"] != "waiting":
                pass
        else:
            run = (await made(client, {}))["id"]
        method = "PUT" if path == "plan" else "POST"
        for said_nothing in ("\u202e", " ", "<think>"):
            refused = await client.request(method, f"/interleave/{run}/{path}", json=body(said_nothing))
            assert (refused.status_code, "says nothing" in refused.json()["detail"]) == (422, True)
        too_long = await client.request(method, f"/interleave/{run}/{path}", json=body("a" * 40_000))
        assert too_long.status_code == 422
        taken = await client.request(method, f"/interleave/{run}/{path}", json=body(f"{hidden}<think>"), headers=WAIT)
        assert taken.status_code == 200, taken.text
        again = {"steps": [each["step"] for each in taken.json()["document"]["steps"]]}
        if path == "plan":  # a plan as it was read can be put back
            assert (await client.put(f"/interleave/{run}/plan", json=again)).status_code == 200
        kept = json.dumps(taken.json()["document"], ensure_ascii=False)
        assert not any(character in kept for character in ("\u202e", "\u202c", "\U000e0041"))
        if path != "continue":
            assert "<think>" not in kept and "a  hill  with   a tree" in kept
