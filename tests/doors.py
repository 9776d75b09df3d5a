"""An orchestrator as its callers meet it, for tests of its door: all of it is real, but what is behind the ports."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
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


def orchestrator(
    journal: str,
    blobs: Blobs,
    *prompts: str | None,
    planner: Any = None,
    generator: Any = None,
    content: Any = None,
    verdicts: Any = (),
    thinking: float = 0.0,
    **settings: Any,
) -> FastAPI:
    """An app whose planner writes a step for each prompt."""
    return create_app(
        OrchestratorSettings(journal=journal, **settings),
        planner=planner or FakePlanner(steps_of(*(prompts or ("a hill", "a snowman")))),
        critic=FakeCritic(verdicts, pause=thinking),
        generator=generator or FakeGenerator(blobs),
        blobs=blobs,
        content=content,
    )


@asynccontextmanager
async def called(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that bears no key, while the app is up."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://door.test", timeout=300) as client,
    ):
        yield client


@asynccontextmanager
async def opened(
    path: Path, blobs: Blobs, *prompts: str | None, **how: Any
) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """An app on a journal under `path`, and its client."""
    app = orchestrator(f"sqlite:///{path}/journal.db", blobs, *prompts, **how)
    async with called(app) as client:
        yield app, client


class House:
    """Orchestrators over one database and one store; each `open` is another replica, or the next start."""

    def __init__(self, journal: str, blobs: Blobs) -> None:
        self.journal, self.blobs = journal, blobs
        self.generators: list[FakeGenerator] = []
        self._stack = AsyncExitStack()

    def app(self, *prompts: str | None, pause: float = 0.0, gate: Any = None, **how: Any) -> FastAPI:
        self.generators.append(FakeGenerator(self.blobs, pause=pause, gate=gate))
        return orchestrator(self.journal, self.blobs, *prompts, generator=self.generators[-1], **how)

    async def open(self, *prompts: str | None, **how: Any) -> httpx2.AsyncClient:
        """A client of a new one; it is closed at the test's end, or by `close`."""
        return await self._stack.enter_async_context(called(self.app(*prompts, **how)))

    async def close(self) -> None:
        """Stop all of them, as a restart does."""
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    @property
    def drawn(self) -> list[str]:
        """The prompts drawn so far."""
        return [job.prompt for generator in self.generators for job in generator.drawn]


async def key(path: Path, tenant: str, permissions: Sequence[Permission] = BOTH) -> dict[str, str]:
    """The headers of a caller with a new key."""
    async with Keys(f"sqlite:///{path}/journal.db") as keys:
        _, text = await keys.create(tenant, permissions)
    return {"Authorization": f"Bearer {text}"}


def picture(format: str = "PNG", size: tuple[int, int] = (20, 10), color: str = "red") -> str:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, format)
    return f"data:image/{format.lower()};base64,{base64.b64encode(out.getvalue()).decode()}"
