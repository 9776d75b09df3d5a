"""An orchestrator as its callers meet it: app, journal and runs are real; behind its ports are fakes."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from PIL import Image

from interleavethinker.blobs import DirectoryBlobs
from services.orchestrator.app import create_app
from services.orchestrator.settings import OrchestratorSettings
from tests.fakes import FakeCritic, FakeGenerator, FakePlanner, steps_of


class House:
    """Orchestrators over one database and one store; each `open` is another replica, or the next start."""

    def __init__(self, journal: str, blobs: DirectoryBlobs) -> None:
        self.journal, self.blobs = journal, blobs
        self.generators: list[FakeGenerator] = []
        self._stack = AsyncExitStack()

    def app(
        self, *prompts: str | None, verdicts: Any = (), settings: dict[str, Any] | None = None, **how: Any
    ) -> FastAPI:
        thinking = how.pop("thinking", 0.0)
        planner = how.pop("planner", None) or FakePlanner(steps_of(*(prompts or ("a hill", "a snowman"))))
        self.generators.append(FakeGenerator(self.blobs, **how))
        return create_app(
            OrchestratorSettings.model_validate({"journal": self.journal, **(settings or {})}),
            planner=planner,
            critic=FakeCritic(verdicts, pause=thinking),
            generator=self.generators[-1],
            blobs=self.blobs,
        )

    async def open(self, *prompts: str | None, **how: Any) -> httpx2.AsyncClient:
        """A client of a new one; it is closed at the test's end, or by `close`."""
        app = self.app(*prompts, **how)
        await self._stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx2.ASGITransport(app)
        return await self._stack.enter_async_context(
            httpx2.AsyncClient(transport=transport, base_url="http://door.test", timeout=300)
        )

    async def close(self) -> None:
        """Stop all of them, as a restart does."""
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    @property
    def drawn(self) -> list[str]:
        """The prompts drawn so far."""
        return [job.prompt for generator in self.generators for job in generator.drawn]


@pytest.fixture
async def house(tmp_path: Path, blobs: DirectoryBlobs) -> AsyncIterator[House]:
    opened = House(f"sqlite:///{tmp_path}/journal.db", blobs)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def picture() -> str:
    """A little picture as callers send it."""
    out = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
