"""An orchestrator as its callers meet it, for tests of its door: all of it is real, but what is behind the ports."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from PIL import Image

from interleavethinker.ports import Blobs
from services.orchestrator.access import Permission
from services.orchestrator.app import create_app
from services.orchestrator.keys import Keys
from services.orchestrator.settings import OrchestratorSettings
from tests.fakes import FakeCritic, FakeGenerator, FakePlanner, steps_of

SNOWMAN = {"prompt": "How do I draw a snowman?"}
WAIT = {"Prefer": "wait=120"}
BOTH = (Permission.READ, Permission.WRITE)


@asynccontextmanager
async def opened(
    path: Path,
    blobs: Blobs,
    *prompts: str,
    planner: Any = None,
    generator: Any = None,
    content: Any = None,
    verdicts: Any = (),
    **settings: Any,
) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """An app on a journal under `path`, and a client of it that bears no key."""
    app = create_app(
        OrchestratorSettings(journal=f"sqlite:///{path}/journal.db", **settings),
        planner=planner or FakePlanner(steps_of(*(prompts or ("a hill", "a snowman")))),
        critic=FakeCritic(verdicts),
        generator=generator or FakeGenerator(blobs),
        blobs=blobs,
        content=content,
    )
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://door.test") as client,
    ):
        yield app, client


async def key(path: Path, tenant: str, permissions: Sequence[Permission] = BOTH) -> dict[str, str]:
    """The headers of a caller with a new key."""
    async with Keys(f"sqlite:///{path}/journal.db") as keys:
        _, text = await keys.create(tenant, permissions)
    return {"Authorization": f"Bearer {text}"}


def picture(format: str = "PNG", size: tuple[int, int] = (20, 10), color: str = "red") -> str:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, format)
    return f"data:image/{format.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"
