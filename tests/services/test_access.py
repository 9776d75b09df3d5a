"""Who gets in: keys, permissions, tenants, signed links, and a service that will not stand open by mistake."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from interleavethinker.blobs import DirectoryBlobs, TenantBlobs
from interleavethinker.errors import BadRequest, NotFound, Unauthenticated
from interleavethinker.http import PROBLEM_JSON
from services import reference
from services.anatomy import OPEN_PATHS
from services.orchestrator.access import Permission
from services.orchestrator.access_settings import LinkSettings
from services.orchestrator.commands import duration
from services.orchestrator.keys import Keys
from services.orchestrator.links import Signer
from services.orchestrator.settings import OrchestratorSettings
from tests.doors import BOTH, SNOWMAN, WAIT, key, opened, picture

SECRET = "a secret of thirty-two characters"


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/journal.db"


async def test_a_key_is_known_by_its_digest_and_kept_nowhere(journal: str, tmp_path: Path):
    async with Keys(journal) as keys:
        row, text = await keys.create("acme", BOTH, note="the shop")
        caller = await keys.caller(text)
        assert caller and (caller.tenant, caller.permissions) == ("acme", frozenset(BOTH))
        assert text not in caller.name
        assert await keys.list() == [row]
    assert len(text) > 50
    files = await asyncio.to_thread(lambda: [path.read_bytes() for path in tmp_path.iterdir()])
    assert files and all(text[17:].encode() not in content for content in files)


async def test_wrong_keys_are_refused_and_other_bearers_are_left_to_other_doors(journal: str):
    async with Keys(journal) as keys:
        _, text = await keys.create("acme", BOTH)
        for wrong in (
            text[:-1] + ("a" if text[-1] != "a" else "b"),
            "itk_",
            "itk_" + "0" * 12 + "_" + "a" * 43,
            text + "x",
        ):
            with pytest.raises(Unauthenticated):
                await keys.caller(wrong)
        assert await keys.caller("eyJ.e.30") is None


async def test_revoked_expired_and_rotated(journal: str):
    async with Keys(journal) as keys:
        revoked, text = await keys.create("acme", BOTH)
        await keys.revoke(revoked.id)
        _, expired = await keys.create("acme", BOTH, lives=timedelta(0))
        old, old_text = await keys.create("acme", [Permission.READ], note="n")
        new, new_text = await keys.rotate(old.id, grace=timedelta(hours=1))
        assert (new.tenant, new.permissions, new.note) == (old.tenant, old.permissions, old.note)
        assert await keys.caller(old_text) and await keys.caller(new_text)
        await keys.rotate(new.id, grace=timedelta(0))
        for gone in (text, expired, new_text):
            with pytest.raises(Unauthenticated):
                await keys.caller(gone)
        with pytest.raises(NotFound):
            await keys.rotate(new.id, grace=timedelta(0))
        with pytest.raises(NotFound):
            await keys.revoke("nobody")


@pytest.mark.parametrize("tenant", ["", "../etc", "a/b", "a\n", "~a", "a" * 65, ".", "ä"])
async def test_a_tenant_can_stand_in_paths_and_headers(journal: str, tenant: str):
    async with Keys(journal) as keys:
        with pytest.raises(BadRequest):
            await keys.create(tenant, BOTH)


async def test_keys_by_command_line(journal: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERLEAVETHINKER_ORCHESTRATOR__JOURNAL", journal)

    async def say(*words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.orchestrator", "keys", *words, stdout=-1, stderr=-1
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode().strip()

    _, text = await say("create", "--tenant", "acme", "--scope", "read", "--expires", "90d")
    async with Keys(journal) as keys:
        caller = await keys.caller(text)
        assert caller and caller.permissions == {Permission.READ}
        assert (await say("revoke", text[4:16]))[0] == 0
        with pytest.raises(Unauthenticated):
            await keys.caller(text)
    assert "ended" in (await say("list"))[1] and text not in (await say("list"))[1]
    assert (await say("revoke", "nobody"))[0] == 1


def test_durations():
    assert duration("90d") == timedelta(days=90) and duration("0") == timedelta(0)
    for wrong in ("", "-1d", "5", "1w", "d"):
        with pytest.raises(Exception, match="no duration"):
            duration(wrong)


async def test_every_route_but_the_open_ones_wants_a_key(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys") as (app, client):
        asked = 0
        for path, methods in app.openapi()["paths"].items():
            if path in OPEN_PATHS:
                continue
            for method in methods:
                response = await client.request(
                    method.upper(),
                    path.format(run_id="run_1", response_id="resp_1", model="m", digest="0" * 64, step=1, number=1),
                )
                kind = "application/json" if path.startswith("/v1/") else PROBLEM_JSON  # OpenAI's shape of errors
                assert (response.status_code, response.headers["content-type"]) == (401, kind), path
                assert response.headers["www-authenticate"] == "Bearer"
                asked += 1
        assert asked >= 6
        assert (await client.get("/anything/else")).status_code == 401
        for path in (*OPEN_PATHS, *reference.PATHS):
            assert (await client.get(path)).status_code == 200
        schemes = app.openapi()["components"]["securitySchemes"]
        assert [scheme["scheme"] for scheme in schemes.values()] == ["bearer"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer x", "Bearer itk_a_b", "Bearer \xff"])
async def test_what_is_no_key_is_a_401(tmp_path: Path, blobs: DirectoryBlobs, header: str):
    async with opened(tmp_path, blobs, auth="keys") as (_, client):
        response = await client.get("/interleave", headers=[(b"Authorization", header.encode("latin-1"))])
        assert response.status_code == 401


async def test_permissions(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys") as (_, client):
        read, write = await key(tmp_path, "acme", [Permission.READ]), await key(tmp_path, "acme", [Permission.WRITE])
        admin = await key(tmp_path, "acme", [Permission.ADMIN])
        refused = await client.post("/interleave", json=SNOWMAN, headers=read)
        assert (refused.status_code, refused.json()["needed"]) == (403, "write")
        made = await client.post("/interleave", json=SNOWMAN, headers=write | WAIT)
        assert made.status_code == 200
        run = f"/interleave/{made.json()['id']}"
        assert (await client.get(run, headers=write)).status_code == 403
        assert (await client.delete(run, headers=read)).status_code == 403
        assert (await client.get(run, headers=read)).status_code == 200
        assert (await client.delete(run, headers=admin)).status_code == 200


async def test_another_tenants_run_is_as_unknown_as_none(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys") as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        made = (await client.post("/interleave", json=SNOWMAN, headers=ours | WAIT)).json()
        image = next(iter(made["images"]))
        places = [("GET", ""), ("GET", "/events"), ("GET", f"/images/{image}"), ("DELETE", ""), ("POST", "/resume"),
                  ("POST", "/steps/1/redraw"), ("POST", "/steps/1/keep"), ("POST", "/branch"), ("POST", "/continue"),
                  ("PUT", "/plan"), ("POST", "/plan/approve"), ("GET", "/deliveries")]  # fmt: skip
        asked = {"prompt": "a", "attempt": 1, "from_step": 1}
        for method, path in places:
            body = {"json": asked} if method in ("POST", "PUT") else {}
            found = await client.request(method, f"/interleave/{made['id']}{path}", headers=theirs, **body)
            unknown = await client.request(method, f"/interleave/run_{'0' * 24}{path}", headers=theirs, **body)
            assert found.status_code == unknown.status_code == 404
            assert found.text.replace(made["id"], "") == unknown.text.replace(f"run_{'0' * 24}", "")
        assert (await client.get("/interleave", headers=theirs)).json()["runs"] == []
        assert [run["id"] for run in (await client.get("/interleave", headers=ours)).json()["runs"]] == [made["id"]]


async def test_an_administrator_lists_any_tenants_runs_and_nobody_else_does(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys") as (_, client):
        ours, admin = await key(tmp_path, "ours"), await key(tmp_path, "operators", [Permission.ADMIN])
        made = (await client.post("/interleave", json=SNOWMAN, headers=ours | WAIT)).json()

        async def listed(caller: dict[str, str], **query: str) -> list[str] | int:
            answer = await client.get("/interleave", params=query, headers=caller)
            return [run["id"] for run in answer.json()["runs"]] if answer.is_success else answer.status_code

        assert await listed(admin, tenant="ours") == await listed(ours, tenant="ours") == [made["id"]]
        assert await listed(admin) == await listed(admin, tenant="nobody") == []
        assert await listed(admin, tenant="ours", status="failed") == []
        assert await listed(ours, tenant="operators") == 403
        assert await listed(admin, tenant="../up") == 422
        assert (await client.get(f"/interleave/{made['id']}", headers=admin)).status_code == 404, "a list, no more"


async def test_a_signed_link_opens_one_picture_for_a_while(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, TenantBlobs(blobs), auth="keys", links=LinkSettings(secret=SECRET)) as (_, client):
        ours = await key(tmp_path, "ours")
        made = (await client.post("/interleave", json=SNOWMAN, headers=ours | WAIT)).json()
        (first, link), (second, _) = list(made["images"].items())[:2]
        shown = await client.get(link)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
        assert (await client.get(link.replace(first, second))).status_code == 401
        assert (await client.get(link.replace("expires=", "expires=9"))).status_code == 401
        assert (await client.get(link[:-1] + ("0" if link[-1] != "0" else "1"))).status_code == 401
        assert (await client.get(link.partition("?")[0])).status_code == 401
        assert (await client.get(link.replace(f"/images/{first}", ""))).status_code == 401
        assert (await client.delete(link)).status_code == 401


def test_a_link_ends():
    past = Signer(SECRET, -10_000)
    path, query = f"/interleave/run_1/images/{'0' * 64}", past.query("run_1", "0" * 64)
    assert not past.opens("GET", path, dict(part.split("=") for part in query.split("&")))
    for strange in ({}, {"expires": "9" * 400, "signature": ""}, {"expires": "-1", "signature": "ü"}, {"expires": "٣"}):
        assert not Signer(SECRET, 60).opens("GET", path, strange)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_it_does_not_stand_open_by_mistake(host: str):
    with pytest.raises(ValidationError, match="auth is off"):
        OrchestratorSettings(host=host)
    assert OrchestratorSettings(host=host, auth="keys").auth == "keys"
    assert OrchestratorSettings(host=host, open_to_all=True).auth == "off"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_alone_on_a_machine_nobody_needs_a_key(host: str):
    assert OrchestratorSettings(host=host).auth == "off"


async def test_without_auth_pictures_have_plain_links(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, links=LinkSettings(secret=SECRET)) as (_, client):
        made = (await client.post("/interleave", json=SNOWMAN | {"images": [picture()]}, headers=WAIT)).json()
        for digest, link in made["images"].items():
            assert link.endswith(f"/images/{digest}")
            assert (await client.get(link)).status_code == 200
