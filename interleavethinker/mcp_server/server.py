"""The tools and resources of the MCP server, over the public client.

`start_document` answers at once: a document takes longer than a tool call may. Over standard input the key is this
process's own (INTERLEAVETHINKER_API_KEY); over HTTP it is each caller's, and this process's own is nobody else's.
Deliberately not here: what is answered (`shapes`), and the command (`__init__`).
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp_types import ResourceLink, TextContent, ToolAnnotations
from pydantic import Field

from interleavethinker import __version__
from interleavethinker.client import AsyncClient
from interleavethinker.document import Document
from interleavethinker.mcp_server.caller import Caller, reading
from interleavethinker.mcp_server.shapes import (
    SCHEME,
    About,
    Listed,
    Standing,
    picture_uri,
    standing,
    text_of,
    thumbnail,
)

LOOK_SECONDS = 0.5
_LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_MAKES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
_ENDS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
INSTRUCTIONS = """\
Makes illustrated documents: how-tos, picture stories, sequences of pictures, with a drawing for each step.
Call start_document once; it answers with an id at once. Making takes from seconds to many minutes: call check_document
with wait_seconds until `done`, then fetch_document. A picture that is not right: redraw_step, then check again."""

Id = Annotated[str, Field(pattern=r"^run_\w{1,36}$", description="as start_document or list_documents gave it")]
Step = Annotated[int, Field(ge=1, description="the step's number")]


def mcp_server(url: str | None = None, *, shared: bool = False) -> MCPServer:
    """The server for the orchestrator at `url` (INTERLEAVETHINKER_URL, else this machine's). `shared`: over HTTP."""
    server: MCPServer = MCPServer(
        "interleavethinker", title="InterleaveThinker", version=__version__, instructions=INSTRUCTIONS,
        log_level="WARNING",
    )  # fmt: skip
    caller = Caller(url, shared=shared)
    _add_making(server, caller)
    _add_looking(server, caller)
    _add_resources(server, caller)
    return server


def _add_making(server: MCPServer, caller: Caller) -> None:
    @server.tool(title="Start a document", annotations=_MAKES)
    async def start_document(
        ctx: Context[Any, Any],
        request: Annotated[str, Field(min_length=1, description="what to show, in plain words")],
        continue_from: Annotated[Id | None, Field(description="a document to go on from")] = None,
        max_steps: Annotated[int | None, Field(ge=1, le=100)] = None,
        max_attempts: Annotated[int | None, Field(ge=1, le=20, description="drawings a step")] = None,
        critic: Annotated[
            Literal["off", "quick", "strict"] | None, Field(description="how hard drawings are judged")
        ] = None,
        seed: Annotated[int | None, Field(ge=0, lt=2**32)] = None,
    ) -> About:
        """Have an illustrated document made. Answers with its id at once; the making goes on by itself."""
        given = {"max_steps": max_steps, "max_attempts": max_attempts, "critic": critic, "seed": seed}
        wishes: Any = {name: value for name, value in given.items() if value is not None}
        async with caller.client(ctx) as client:
            if continue_from is None:
                run_id = await client.ask(request, **wishes)
            else:
                run_id = await client.continue_(continue_from, request, **wishes)
            document = await client.document(run_id)
        return About(id=run_id, status=document.status, request=request)

    @server.tool(title="Redraw a step", annotations=_MAKES)
    async def redraw_step(
        ctx: Context[Any, Any],
        id: Id,
        step: Step,
        prompt: Annotated[str | None, Field(description="what to draw, in place of the plan's words")] = None,
        seed: Annotated[int | None, Field(ge=0, lt=2**32, description="another one draws it otherwise")] = None,
        later: Annotated[Literal["stale", "redraw"], Field(description="redraw: the steps after it too")] = "stale",
    ) -> Standing:
        """Draw a step of a finished document again. The old picture stands until the new one is settled."""
        given = {"prompt": prompt, "seed": seed}
        wishes: Any = {name: value for name, value in given.items() if value is not None}
        async with caller.client(ctx) as client:
            await client.redraw(id, step, later=later, **wishes)
            return standing(await client.document(id))

    @server.tool(title="Cancel a document", annotations=_ENDS)
    async def cancel_document(ctx: Context[Any, Any], id: Id) -> Standing:
        """End the making of a document; what it has finished stays."""
        async with caller.client(ctx) as client:
            await client.cancel(id)
            return standing(await client.document(id))


def _add_looking(server: MCPServer, caller: Caller) -> None:
    @server.tool(title="Check a document", annotations=_LOOKS)
    async def check_document(
        ctx: Context[Any, Any],
        id: Id,
        wait_seconds: Annotated[
            int, Field(ge=0, le=50, description="wait so long for it to be done, or for its next finished step")
        ] = 0,
    ) -> Standing:
        """How a document comes along: its status, how far it is, and its text so far."""
        async with caller.client(ctx) as client:
            return standing(await _come_along(client, id, wait_seconds))

    @server.tool(title="Fetch a document", annotations=_LOOKS, structured_output=False)
    async def fetch_document(
        ctx: Context[Any, Any],
        id: Id,
        step: Annotated[int | None, Field(ge=1, description="only this step's picture; null: all")] = None,
        thumbnails: Annotated[bool, Field(description="show small pictures, not only links to them")] = True,
    ) -> list[TextContent | ResourceLink | Image]:
        """A document as Markdown, with a thumbnail and a link to the whole picture for each step."""
        async with caller.client(ctx) as client:
            document = await client.document(id)
            shown: list[TextContent | ResourceLink | Image] = [TextContent(text=text_of(document))]
            for entry in document.steps:
                if entry.image is None or step not in (None, entry.step.index):
                    continue
                digest = entry.image.digest
                if thumbnails:
                    small = await asyncio.to_thread(thumbnail, await client.image(id, digest))
                    shown.append(Image(data=small, format="jpeg"))
                name = f"step-{entry.step.index}.png"
                size = f"{entry.image.width} x {entry.image.height} pixels"
                shown.append(
                    ResourceLink(name=name, uri=picture_uri(id, digest), mime_type="image/png", description=size)
                )
        return shown

    @server.tool(title="List documents", annotations=_LOOKS)
    async def list_documents(ctx: Context[Any, Any], limit: Annotated[int, Field(ge=1, le=50)] = 10) -> Listed:
        """The caller's documents, newest first."""
        async with caller.client(ctx) as client:
            return Listed(documents=await _newest(client, limit))


def _add_resources(server: MCPServer, caller: Caller) -> None:
    @server.resource(f"{SCHEME}/{{id}}", mime_type="text/markdown")
    async def document(id: str, ctx: Context[Any, Any]) -> str:
        """A document as Markdown; its pictures are resources too."""
        async with reading(caller, ctx) as client:
            return text_of(await client.document(id))

    @server.resource(f"{SCHEME}/{{id}}/pictures/{{digest}}", mime_type="image/png")
    async def picture(id: str, digest: str, ctx: Context[Any, Any]) -> bytes:
        """A picture of a document, whole."""
        async with reading(caller, ctx) as client:
            return await client.image(id, digest)


async def _newest(client: AsyncClient, limit: int) -> list[About]:
    found: list[About] = []
    async for run in client.runs(page=limit):
        if run.about:
            found.append(About(id=run.id, status=run.about.status, request=run.about.prompt))
        if len(found) == limit:
            break
    return found


async def _come_along(client: AsyncClient, run_id: str, seconds: float) -> Document:
    """The document once it is at its end, another step is finished, or the time is over."""
    document = await client.document(run_id)
    finished, until = _finished(document), time.monotonic() + seconds
    while not document.status.final and _finished(document) == finished and time.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        document = await client.document(run_id)
    return document


def _finished(document: Document) -> int:
    return sum(entry.finished and not entry.reopened for entry in document.steps)


def serve_stdio(url: str | None) -> None:
    mcp_server(url).run("stdio")


def serve_http(url: str | None, host: str, port: int) -> None:
    """Stateless, so that any number of replicas may answer."""
    mcp_server(url, shared=True).run("streamable-http", host=host, port=port, stateless_http=True)
