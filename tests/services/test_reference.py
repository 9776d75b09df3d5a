"""The page of the API at `/docs`: whole without the internet, with a strict policy, and nothing but its own files."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from services.anatomy import service_app
from services.reference import PATHS


async def ready() -> list[str]:
    return []


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = service_app("room", ready=ready, title="A <room>", description="For tests")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://room.test") as client:
        yield client


async def test_it_asks_no_other_server_and_runs_nothing_inline(client: httpx2.AsyncClient):
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html") and "A &lt;room&gt;" in page.text
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page.text)
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy and "http" not in policy and "default-src 'none'" in policy
    named = re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)
    assert {f"/{name}" for name in named} | {"/docs", "/openapi.json"} == PATHS
    for path in PATHS:
        assert (await client.get(path)).status_code == 200, path
    assert 'url: "openapi.json"' in (await client.get("/docs/start.js")).text


async def test_its_files_are_kept_and_there_are_no_others(client: httpx2.AsyncClient):
    first = await client.get("/docs/swagger-ui.css")
    again = await client.get("/docs/swagger-ui.css", headers={"If-None-Match": first.headers["etag"]})
    assert (first.headers["content-type"], again.status_code, again.content) == ("text/css; charset=utf-8", 304, b"")
    for path in ("/docs/redoc.standalone.js", "/docs/../reference.py", "/docs/%2e%2e/core.py", "/docs/", "/redoc"):
        assert (await client.get(path)).status_code in (404, 307), path
