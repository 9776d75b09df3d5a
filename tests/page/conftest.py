"""The machine's own Chromium, an orchestrator with fakes behind it, and pages that tell of everything that went wrong.

The browser is one process for all tests here, each with a context of its own. Playwright's synchronous side keeps a
loop running in the thread that it was started in, where no asynchronous test could run then: it lives for this folder
only, and no test here is asynchronous. Nothing moves by itself (`reduced_motion`): without a GPU, every frame costs.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.types import Step
from services.orchestrator.access import Permission
from services.orchestrator.app import create_app
from services.orchestrator.keys import Keys
from services.orchestrator.page_files import HOME
from services.orchestrator.settings import OrchestratorSettings
from tests.fakes import ACCEPT, FakeCritic, FakeGenerator, FakePlanner, revise, steps_of
from tests.servers.serve import served

PROMPTS = ("a white ball at b3", "a red hat at b2", None)
VERDICTS = (ACCEPT, revise("a white ball at b3 with a red hat at b2"), ACCEPT)
LIGHT = ("--disable-gpu", "--in-process-gpu", "--renderer-process-limit=1", "--disable-site-isolation-trials")
"""Few processes: starting one costs more than most pages here."""
Open = Callable[..., str]
NewPage = Callable[..., Page]


class ShowingGenerator(FakeGenerator):
    """Takes its time, and shows what it draws meanwhile."""

    steps = 4
    step_seconds = 0.12


def _saying(text: str | None, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return steps if text is None else tuple(step.model_copy(update={"instruction": text}) for step in steps)


def chromium() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = chromium()
    if not found:
        pytest.skip("no browser here: install chromium, or name one by CHROMIUM")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", *LIGHT])
        yield launched
        launched.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Open]:
    """Opens an orchestrator; gives its URL."""
    with ExitStack() as stack:

        def open_house(
            *,
            prompts: tuple[str | None, ...] = PROMPTS,
            verdicts: Any = VERDICTS,
            pause: float = 0.0,
            showing: bool = False,
            says: str | None = None,
            **settings: Any,
        ) -> str:
            blobs = DirectoryBlobs(tmp_path / "blobs")
            app = create_app(
                OrchestratorSettings(journal=f"sqlite:///{tmp_path}/journal.db", **settings),
                planner=FakePlanner(_saying(says, steps_of(*prompts)), pause=pause),
                critic=FakeCritic(verdicts, pause=pause),
                generator=(ShowingGenerator if showing else FakeGenerator)(blobs, pause=pause),
                blobs=blobs,
            )
            return stack.enter_context(served(app))

        yield open_house


@pytest.fixture
def make_key(tmp_path: Path) -> Callable[[], str]:
    """A key of a tenant's for the house that is open."""

    async def make() -> str:
        async with Keys(f"sqlite:///{tmp_path}/journal.db") as keys:
            return (await keys.create("acme", [Permission.READ, Permission.WRITE]))[1]

    def elsewhere() -> str:
        with ThreadPoolExecutor(1) as thread:  # Playwright's loop runs in this one
            return thread.submit(asyncio.run, make()).result()

    return elsewhere


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Opens pages at an address. At the end, none may have met an error, or have asked anything of another server.

    `context`: one that exists, for a second tab; `allowed`: statuses that are part of the test; `home`: the server,
    where the first address is not of it.
    """
    troubles: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(
        url: str, *, context: BrowserContext | None = None, allowed: tuple[int, ...] = (), home: str = "", **how: Any
    ) -> Page:
        if context is None:
            usual = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
            context = browser.new_context(**usual | how)
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        home = "/".join((home or url).split("/")[:3]) + "/"
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("console", lambda said: _complain(said, troubles))
        page.on(
            "response",
            lambda answer: (
                troubles.append(f"{answer.status} {answer.url}")
                if answer.status >= 400 and answer.status not in allowed
                else None
            ),
        )
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((home, "data:", "blob:"))
                else troubles.append(f"asked another server: {asked.url}")
            ),
        )
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _complain(said: Any, troubles: list[str]) -> None:
    if said.type in ("error", "warning") and "Failed to load resource" not in said.text:  # counted by their status
        troubles.append(f"{said.type}: {said.text}")


@pytest.fixture(scope="module")
def run_node(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Any], Any]:
    """Runs a script beside the page's modules; it finds `given` (JSON) and calls `answer(value)`."""
    node = shutil.which("node")
    if not node:
        pytest.skip("no node here")
    place = tmp_path_factory.mktemp("modules")
    for part in ("core", "vendor"):
        shutil.copytree(HOME / part, place / part)
    (place / "package.json").write_text('{"type": "module"}')

    def run(script: str, given: Any) -> Any:
        around = (
            'import { readFileSync } from "node:fs";\nconst given = JSON.parse(readFileSync(0, "utf8"));\n'
            "const answer = (value) => process.stdout.write(JSON.stringify(value));\n"
        )
        (place / "script.js").write_text(around + script)
        done = subprocess.run(
            [node, str(place / "script.js")], input=json.dumps(given), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
