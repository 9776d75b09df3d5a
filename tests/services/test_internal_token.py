"""The services' own token: without it, planner, critic and generator answer nobody but probes."""

from __future__ import annotations

import httpx2
import pytest

from interleavethinker import http
from interleavethinker.clients.base import ServiceClient
from interleavethinker.errors import Unauthenticated
from services.anatomy import service_app

TOKEN = "the stack's own token"


async def no_problems() -> list[str]:
    return []


def transport() -> httpx2.ASGITransport:
    app = service_app("planner", ready=no_problems, title="t", description="d")

    @app.get("/whose")
    async def whose() -> str:
        return str(http.tenant.get())

    return httpx2.ASGITransport(app)


async def test_only_who_bears_the_token_is_answered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERLEAVETHINKER_INTERNAL__TOKEN", TOKEN)
    app = transport()
    for wrong in (None, "another one, quite as long", TOKEN + " "):
        client = ServiceClient("http://planner.test", transport=app, token=wrong)
        with pytest.raises(Unauthenticated):
            await client.call("GET", "/whose")
        assert await client.ready() == []
    assert (await ServiceClient("http://planner.test", transport=app, token=TOKEN).call("GET", "/whose")).is_success


async def test_without_one_whoever_reaches_it_is_answered_and_the_tenant_is_believed():
    client = ServiceClient("http://planner.test", transport=transport())
    assert (await client.call("GET", "/whose")).json() == "None"
    token = http.tenant.set("acme")
    assert (await client.call("GET", "/whose")).json() == "acme"
    http.tenant.reset(token)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a" * 65, "\xe4"])
async def test_a_tenant_that_could_leave_its_place_is_refused(name: str):
    async with httpx2.AsyncClient(transport=transport(), base_url="http://planner.test") as client:
        response = await client.get("/whose", headers=[(b"X-Tenant", name.encode("latin-1"))])
        assert response.status_code == 422
