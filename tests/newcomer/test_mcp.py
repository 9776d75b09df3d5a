"""The official MCP client against our server, over standard input and over HTTP, before a real orchestrator."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from interleavethinker.mcp_server.server import mcp_server
from tests import doors
from tests.generator_stack import serving
from tests.newcomer.orchestra import PROMPT, orchestra

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with orchestra(tmp_path) as url:
        yield url


@asynccontextmanager
async def spoken(url: str, *args: str) -> AsyncIterator[Client]:
    """A client that has started the server as a program of its own, as an editor does."""
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "interleavethinker.mcp_server", "--url", url, *args],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        cwd=str(ROOT),
    )
    async with Client(stdio_client(command)) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


async def done(client: Client, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while not (standing := await call(client, "check_document", id=run_id, wait_seconds=20))["done"]:
            pass
    return standing


async def test_a_document_is_started_watched_fetched_and_redrawn(url: str):
    async with spoken(url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {
            "start_document", "check_document", "fetch_document", "redraw_step", "cancel_document", "list_documents",
        }  # fmt: skip
        assert all(tool.description for tool in tools.values())
        assert tools["check_document"].annotations and tools["check_document"].annotations.read_only_hint

        begun = await call(client, "start_document", request=PROMPT, seed=3)
        standing = await done(client, begun["id"])
        assert (standing["status"], standing["steps_planned"], standing["steps_finished"]) == ("succeeded", 3, 3)
        assert standing["pictures_drawn"] == 3 and "2. step 2: Now a red hat" in standing["text"]

        fetched = await client.call_tool("fetch_document", {"id": begun["id"]})
        assert [part.type for part in fetched.content] == ["text", *["image", "resource_link"] * 2]
        text, small, link = fetched.content[:3]
        assert text.type == "text" and text.text.startswith(f"# {PROMPT}") and link.type == "resource_link"
        assert link.uri in text.text
        assert small.type == "image" and small.mime_type == "image/jpeg" and len(small.data) < 8_000
        whole = (await client.read_resource(link.uri)).contents[0]
        picture = Image.open(io.BytesIO(base64.b64decode(whole.blob)))  # type: ignore[union-attr]
        assert (picture.format, picture.size) == ("PNG", (64, 64))
        one = await client.call_tool("fetch_document", {"id": begun["id"], "step": 2, "thumbnails": False})
        assert [part.type for part in one.content] == ["text", "resource_link"]

        await call(client, "redraw_step", id=begun["id"], step=2, prompt="a blue hat")
        assert (await done(client, begun["id"]))["pictures_drawn"] == 4
        further = await call(client, "start_document", request="and then?", continue_from=begun["id"])
        await done(client, further["id"])
        listed = (await call(client, "list_documents"))["documents"]
        assert [each["id"] for each in listed] == [further["id"], begun["id"]]


async def test_resources(url: str):
    async with spoken(url) as client:
        begun = await call(client, "start_document", request=PROMPT)
        await done(client, begun["id"])
        templates = (await client.list_resource_templates()).resource_templates
        assert [each.uri_template for each in templates] == [
            "interleave://documents/{id}", "interleave://documents/{id}/pictures/{digest}",
        ]  # fmt: skip
        document = (await client.read_resource(f"interleave://documents/{begun['id']}")).contents[0]
        assert document.mime_type == "text/markdown" and PROMPT in document.text  # type: ignore[union-attr]
        with pytest.raises(MCPError, match="there is no run 'run_none'"):
            await client.read_resource("interleave://documents/run_none")


async def test_what_is_wrong_is_told_to_the_model(url: str, free_port: Any):
    async with spoken(url) as client:
        for tool, arguments, says in [
            ("check_document", {"id": "run_none"}, "there is no run 'run_none'"),
            ("check_document", {"id": "../x"}, "pattern"),
            ("redraw_step", {"id": "run_none", "step": 1}, "there is no run"),
            ("start_document", {"request": " "}, "says nothing"),
            ("start_document", {"request": "x", "critic": "mild"}, "critic"),
        ]:
            result = await client.call_tool(tool, arguments)
            assert result.is_error and says in result.content[0].text, result.content  # type: ignore[union-attr]
    async with spoken(f"http://127.0.0.1:{free_port()}") as client:
        result = await client.call_tool("list_documents", {})
        assert result.is_error and "does not answer" in result.content[0].text  # type: ignore[union-attr]


async def test_one_under_way_is_canceled(tmp_path: Path):
    with orchestra(tmp_path, pause=30) as url:
        async with Client(mcp_server(url)) as client:
            begun = await call(client, "start_document", request=PROMPT)
            standing = await call(client, "check_document", id=begun["id"], wait_seconds=1)
            assert not standing["done"] and standing["now"]
            assert (await call(client, "cancel_document", id=begun["id"]))["status"] == "canceled"


async def test_over_http_each_caller_bears_its_own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with orchestra(tmp_path, auth="keys") as url:
        acme, umbrella = [await doors.key(tmp_path, tenant) for tenant in ("acme", "umbrella")]
        # What this process may do itself is nobody else's.
        monkeypatch.setenv("INTERLEAVETHINKER_API_KEY", acme["Authorization"].removeprefix("Bearer "))
        app = mcp_server(url, shared=True).streamable_http_app(stateless_http=True)
        with serving(app) as served:  # type: ignore[arg-type]

            @asynccontextmanager
            async def caller(headers: dict[str, str]) -> AsyncIterator[Client]:
                async with (
                    httpx2.AsyncClient(headers=headers, timeout=30) as http,
                    Client(streamable_http_client(f"{served}/mcp", http_client=http)) as client,
                ):
                    yield client

            async with caller(acme) as client:
                begun = await call(client, "start_document", request=PROMPT)
                await done(client, begun["id"])
            async with caller(umbrella) as client:
                assert (await call(client, "list_documents"))["documents"] == []
                assert (await client.call_tool("fetch_document", {"id": begun["id"]})).is_error
            async with caller({}) as client:
                refused = await client.call_tool("list_documents", {})
                assert refused.is_error and "no key" in refused.content[0].text  # type: ignore[union-attr]
