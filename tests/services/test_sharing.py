"""Share links: who has one reads one run and nothing else, until it ends or is revoked, whatever guards the service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from interleavethinker.blobs import DirectoryBlobs, TenantBlobs
from interleavethinker.errors import Conflict
from interleavethinker.types import Brief, InterleaveRequest
from services.orchestrator.access import Permission
from services.orchestrator.access_settings import LinkSettings
from services.orchestrator.idempotency import Key
from services.orchestrator.journal import Journal
from services.orchestrator.shares import Shares
from tests.doors import SNOWMAN, WAIT, key, opened

ASK = InterleaveRequest(brief=Brief(prompt="a snowman"))
SECRET = "a secret of thirty-two characters"


async def made(client: httpx2.AsyncClient, caller: dict[str, str]) -> dict[str, Any]:
    response = await client.post("/interleave", json=SNOWMAN, headers=caller | WAIT)
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.mark.parametrize("auth", ["keys", "off"])
async def test_a_share_link_opens_one_document_for_reading(tmp_path: Path, blobs: DirectoryBlobs, auth: Any):
    links = LinkSettings(secret=SECRET)
    async with opened(tmp_path, TenantBlobs(blobs), auth=auth, links=links) as (app, client):
        ours = await key(tmp_path, "ours") if auth == "keys" else {}
        run, other = await made(client, ours), await made(client, ours)
        place = f"/interleave/{run['id']}"
        shared = (await client.post(f"{place}/share", json={"expires_in": 3600}, headers=ours)).json()
        assert shared["url"] == f"http://door.test/shared/{shared['token']}" and shared["expires_at"]
        for how in ({"headers": {"Authorization": f"Share {shared['token']}"}}, {"params": {"share": shared["token"]}}):
            document = (await client.get("/share", **how)).json()
            assert document["document"] == run["document"]
            assert (await client.get("/share", **how)).headers["referrer-policy"] == "no-referrer"
            for path in ("", "/events", "/trace", *(f"/images/{digest}" for digest in run["images"])):
                assert (await client.get(place + path, **how)).status_code == 200, path
            export = document["links"]["export"].format(format="json")
            assert (await client.get(export)).status_code == 200
            elsewhere = f"/interleave/{other['id']}"
            pictures = f"{elsewhere}/images/{next(iter(other['images']))}"
            for path in ("/interleave", elsewhere, pictures, f"{place}/deliveries", f"{place}/share", f"{place}/../x"):
                assert (await client.get(path, **how)).status_code == 403, path
            for method, path in asked(app.openapi()):
                answer = await client.request(method, path.format(run_id=run["id"], step=1), json={}, **how)
                assert answer.status_code == 403, (method, path)
        for url in (*document["images"].values(), document["links"]["events"], document["links"]["self"]):
            assert shared["token"] in url and "signature" not in url
            assert (await client.get(url)).status_code == 200
        before = (await client.get(f"{place}/events", headers=ours)).text
        assert (await client.get(place, headers={"Authorization": "Share shr_" + "a" * 43})).status_code == 401
        assert (await client.delete(f"{place}/share", headers=ours)).json() == {"revoked": True}
        for url in (document["links"]["self"], *document["images"].values(), f"/share?share={shared['token']}"):
            assert (await client.get(url)).status_code == 401
        assert (await client.delete(f"{place}/share", headers=ours)).json() == {"revoked": False}
        assert (await client.get(f"{place}/share", headers=ours)).status_code == 404
        assert (await client.get(f"{place}/events", headers=ours)).text == before


def asked(api: dict[str, Any]) -> list[tuple[str, str]]:
    """Every way to change something."""
    found = [(method.upper(), path) for path, methods in api["paths"].items() for method in methods]
    writes = [(method, path) for method, path in found if method != "GET" and path.startswith("/interleave")]
    assert len(writes) >= 14
    return writes


async def test_a_run_has_one_link_and_only_its_owner_gives_it(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, TenantBlobs(blobs), auth="keys") as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        reads = await key(tmp_path, "ours", [Permission.READ])
        place = f"/interleave/{(await made(client, ours))['id']}/share"
        assert (await client.post(place, headers=theirs)).status_code == 404
        assert (await client.post(place, headers=reads)).status_code == 403
        first, second = [(await client.post(place, headers=ours)).json() for _ in range(2)]
        assert first == second and first["expires_at"] is None
        assert (await client.get(place, headers=reads)).json() == first
        ends = (await client.post(place, json={"expires_in": 60}, headers=ours)).json()
        assert (ends["token"], ends["expires_at"] is None) == (first["token"], False)
        assert (await client.post(place, json={"expires_in": 59}, headers=ours)).status_code == 422
        await client.delete(place, headers=ours)
        assert (await client.post(place, headers=ours)).json()["token"] != first["token"]
        assert (await client.get("/share", headers=ours)).status_code == 404, "a key is no share link"


async def test_links_end_and_repeated_calls_make_none_anew(database_url: str):
    async with Journal(database_url) as journal:
        shares, run = Shares(journal.engine), await journal.create(ASK)
        again = Key.of("k", owner=None, action="share", asked=ASK, seconds=60)
        past = await shares.give(run, timedelta(seconds=-1))
        assert await shares.opened(past.token) is None and await shares.of_run(run) is None
        first = await shares.give(run, timedelta(hours=1), key=again)
        assert first.token != past.token and await shares.opened(first.token) == await shares.of_run(run) == first
        assert await shares.give(run, timedelta(hours=1), key=again) == first
        await shares.revoke(run)
        with pytest.raises(Conflict, match="revoked since"):
            await shares.give(run, timedelta(hours=1), key=again)
        for strange in ("", "shr_", "x" * 500, first.token + "\0", first.token):
            assert await shares.opened(strange) is None
