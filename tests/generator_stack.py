"""A whole generator for tests: real Redis, the API over HTTP, and a Celery worker process with the tiny klein, or with
a backend that lets a server of tests/servers draw.

One stack of each kind serves a whole test session (`session_stack`); its worker can be killed and started again.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings
from services.generator_service.app import build_app
from services.generator_service.hosted.settings import HostedSettings
from services.generator_service.settings import GeneratorSettings
from tests.servers.gemini_server import GeminiServer
from tests.servers.images_server import ImagesServer

REPOSITORY = Path(__file__).parents[1]
LEASE_SECONDS = 4.0


@dataclass
class GeneratorStack:
    """`url` is the API's; `blobs` is the store that API and worker share."""

    home: Path
    redis_url: str
    settings: GeneratorSettings
    blobs: DirectoryBlobs
    url: str = ""
    worker: subprocess.Popen[bytes] | None = None
    server: ImagesServer | GeminiServer | None = None

    def start_worker(self) -> None:
        """Start a worker and wait until the API knows that it is ready."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INTERLEAVETHINKER_")}
        environment |= {
            "INTERLEAVETHINKER_GENERATOR__PREVIEWS__FASTEST_STEP": "0",  # a tiny model has quick ones
            "REDIS_URL": self.redis_url,
            "INTERLEAVETHINKER_HOME": str(self.home),
        }
        said = json.loads(self.settings.model_dump_json(exclude_unset=True))
        for name, value in ((name, value) for name, value in said.items() if value is not None):
            environment[f"INTERLEAVETHINKER_GENERATOR__{name.upper()}"] = (
                json.dumps(value) if isinstance(value, dict | list) else str(value)
            )
        with (self.home / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "services.generator_service", "worker"],
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.await_ready(lambda: httpx2.get(f"{self.url}/readyz").status_code == 200, seconds=900)

    def kill_worker(self) -> None:
        """SIGKILL: no clean-up, no farewell."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
            self.worker = None

    def await_ready(self, ready: Callable[[], bool], *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline or (self.worker is not None and self.worker.poll() is not None):
                pytest.fail(f"the worker did not get ready:\n{(self.home / 'worker.log').read_text()[-3000:]}")
            time.sleep(0.05)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app on a free port of 127.0.0.1, in a thread of its own; gives its URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def tiny_klein(home: Path) -> Iterator[GeneratorSettings]:
    """A model of our own, in the worker."""
    from tests.tiny_klein import build  # imports torch and diffusers: only where a model is wanted

    yield GeneratorSettings(model=str(build(home / "tiny-klein")), lease_seconds=LEASE_SECONDS, threads=1)


@contextmanager
def hosted(server: ImagesServer | GeminiServer, backend: str) -> Iterator[GeneratorSettings]:
    """Somebody else's model. No key: a worker's settings are in its environment, which tests print."""
    with server.serving():
        at = HostedSettings(base_url=server.url, first_pause=0.05)
        yield GeneratorSettings(backend=backend, model=server.model, lease_seconds=LEASE_SECONDS, hosted=at)


@contextmanager
def started(home: Path, kind: str = "diffusers", *, own: GeneratorSettings | None = None) -> Iterator[GeneratorStack]:
    """Everything up, with one worker; everything stopped afterwards. `kind` is a backend's name; `own`: a model other
    than the tiny klein."""
    blobs = DirectoryBlobs(home / "blobs")
    server = {"openai_images": ImagesServer, "gemini": GeminiServer}.get(kind, lambda: None)()
    drawing = nullcontext(own) if own else tiny_klein(home) if server is None else hosted(server, kind)
    with drawing as settings, redis_server(RedisSettings(), home) as redis_url:
        stack = GeneratorStack(home, redis_url, settings, blobs, server=server)
        with serving(build_app(settings, redis_url, blobs)) as stack.url:
            try:
                stack.start_worker()
                yield stack
            finally:
                stack.kill_worker()


_STACKS = pytest.StashKey[dict[str, GeneratorStack | None]]()


def session_stack(config: pytest.Config, factory: pytest.TempPathFactory, kind: str = "diffusers") -> GeneratorStack:
    """The session's one stack of a kind, started by the first test that asks, whichever file it is in."""
    stacks = config.stash.setdefault(_STACKS, {})
    if kind not in stacks:
        stacks[kind] = None
        exits = ExitStack()
        config.add_cleanup(exits.close)
        stacks[kind] = exits.enter_context(started(factory.mktemp("generator"), kind))
    stack = stacks[kind]
    if stack is None:
        pytest.fail("the generator stack did not start; the first test that wanted it says why")
    return stack
