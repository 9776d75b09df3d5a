"""The ordinary local stack, as `interleavethinker up` starts it, with the small models of the checkpoints: for trials
that want nothing of a stand-in."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
import psutil

from bench.house import until
from bench.samples import Watched
from interleavethinker.settings import PREFIX
from interleavethinker.stack.places import Ports
from smallworld.recipes import recipe

START_SECONDS = 300.0
NAMES = {
    "services.generator_service worker": "worker",
    "services.generator_service": "generator",
    "services.critic_service": "critic",
    "services.planner_service": "planner",
    "services.orchestrator": "orchestrator",
    "redis-server": "redis",
}
"""Parts by what is in their command line, the first that fits."""
GENRES = ("how-to", "story")
"""What can be asked for in words alone."""


class Stack(NamedTuple):
    url: str
    watched: Watched


@contextmanager
def up(home: Path, more: Mapping[str, str]) -> Iterator[Stack]:
    """The stack with everything of its own in `home`. `more`: settings, their names without the prefix."""
    ports = Ports.free()
    said = {f"{name.upper()}__PORT": str(getattr(ports, name)) for name in ports._fields} | {"HOME": str(home), **more}
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) and name != "REDIS_URL"}
    environment = own | {f"{PREFIX}{name}": value for name, value in said.items()} | {"HF_HUB_OFFLINE": "1"}
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.log").open("ab") as log:
        command = [sys.executable, "-m", "interleavethinker.cli", "up"]
        stack = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        url = ports.url("orchestrator")
        until(lambda: _ready(url, stack), f"the stack does not come up; see {home / 'up.log'}", START_SECONDS)
        services = {name: ports.url(name) for name in ports._fields}
        redis_url = (home / "redis" / "url").read_text()
        journal = f"sqlite:///{home}/journal.db"
        yield Stack(url, Watched(_parts(stack.pid), services, redis_url, journal, home / "blobs"))
    finally:
        stack.send_signal(signal.SIGINT)
        try:
            stack.wait(60)
        except subprocess.TimeoutExpired:
            stack.kill()
            stack.wait()


def requests(count: int, seed: int) -> list[str]:
    """Held-out requests of the small world."""
    chance, found = random.Random(f"load {seed}"), list[str]()
    while len(found) < count:
        made = recipe(chance, held_out=True)
        if made.genre in GENRES:
            found.append(made.request)
    return found


def _ready(url: str, stack: subprocess.Popen[bytes]) -> bool:
    if stack.poll() is not None:
        raise RuntimeError(f"the stack ended with exit code {stack.returncode}")
    try:
        return httpx2.get(f"{url}/readyz", timeout=5.0).is_success
    except httpx2.TransportError:
        return False


def _parts(pid: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for child in psutil.Process(pid).children(recursive=True):
        command = " ".join(child.cmdline())
        name = next((name for part, name in NAMES.items() if part in command), None)
        if name:
            found[name] = child.pid
    return found
