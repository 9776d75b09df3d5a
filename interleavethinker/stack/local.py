"""Start every part, wait until each is ready, notice when one dies, stop them all.

Nothing is restarted: a part that dies ends the stack, and its last words are shown.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import httpx2

from interleavethinker.errors import Unavailable
from interleavethinker.settings import RedisSettings, load_section
from interleavethinker.stack import places
from interleavethinker.stack.memory import kept_flat
from interleavethinker.stack.part import Part
from interleavethinker.stack.places import Ports

LOADING = "being loaded"
"""A problem with these words passes by itself (chat/local.py); any other is given `GRACE_SECONDS` to."""
LOADING_SECONDS = 600.0
GRACE_SECONDS = 15.0
STOP_SECONDS = 15.0


class Ready(NamedTuple):
    """A part is ready, `seconds` after the start."""

    part: str
    seconds: float


class LocalStack:
    """Use as a context manager: started on entry, stopped on exit. `home` is its state directory.

    `apart`: with a journal, blobs and queue of its own, so that it can run beside another stack of this machine.
    Raises BadSettings for ports that are taken, PartDied, and Unavailable for a part that does not get ready.
    """

    def __init__(self, home: Path, ports: Ports, *, apart: bool = False) -> None:
        self.home, self.ports, self._apart = home.absolute(), ports, apart
        self.url = ports.url("orchestrator")
        self.logs = self.home / "logs"
        self._parts: dict[str, Part] = {}
        self._queue: Part | None = None
        self._further: dict[str, str] = {}
        self._began = 0.0
        self._stopping = False

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self.ports.check_free()
        self.logs.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            undo.callback(self.stop)
            self._start()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def until_ready(self) -> Iterator[Ready]:
        """Wait for every part, telling of each as it gets ready."""
        if self._queue:
            yield Ready("queue", time.monotonic() - self._began)
        first_seen: dict[str, float] = {}
        waiting = self._questions()
        with httpx2.Client(timeout=2.0) as client:
            while waiting:
                for name, url in list(waiting.items()):
                    self.check()
                    if name == "orchestrator" and len(waiting) > 1:
                        continue
                    seconds = time.monotonic() - self._began
                    problem = _problem(client, url)
                    if problem is None:
                        del waiting[name]
                        yield Ready(name, seconds)
                    else:
                        _give_up(name, problem, seconds, seconds - first_seen.setdefault(name + problem, seconds))
                time.sleep(0.1)

    def check(self) -> None:
        """Raises PartDied when a part has ended by itself."""
        for part in self._all():
            part.check()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within the block, which must be in the main thread, a part's death is raised at once."""

        def look(*_: object) -> None:
            if not self._stopping:
                self.check()

        before = signal.signal(signal.SIGCHLD, look)
        try:
            self.check()
            yield
        finally:
            signal.signal(signal.SIGCHLD, before)

    def stop(self) -> None:
        """Ask all to end, the queue last, and see to it that they have."""
        self._stopping = True
        for part in self._parts.values():
            part.ask_to_end()
        deadline = time.monotonic() + STOP_SECONDS
        for part in self._parts.values():
            part.end(deadline)
        if self._queue:
            self._queue.ask_to_end()
            self._queue.end(deadline + 2.0)

    def _start(self) -> None:
        apart = places.apart(self.ports, self.home) if self._apart else {}
        redis_url = load_section("redis", RedisSettings).url or self._embedded_redis()
        environment = places.environment(self.ports, self.home, redis_url) | apart

        further = places.further_generators(self.ports, environment)
        environment |= places.offering(further, environment)

        def start(name: str, module: str, *arguments: str, own: Mapping[str, str] = {}) -> None:
            given = kept_flat(name) | environment | dict(own)
            self._parts[name] = Part(name, module, *arguments, logs=self.logs, environment=given)

        start("worker", "services.generator_service", "worker")
        start("critic", "services.critic_service")
        start("planner", "services.planner_service")
        start("generator", "services.generator_service")
        for name, (url, own_settings) in further.items():
            start(f"worker-{name}", "services.generator_service", "worker", own=own_settings)
            start(f"generator-{name}", "services.generator_service", own=own_settings)
            self._further[name] = url
        start("orchestrator", "services.orchestrator")

    def _embedded_redis(self) -> str:
        environment = kept_flat("queue") | places.environment(self.ports, self.home, "")
        self._queue = Part(
            "queue", "interleavethinker.stack.queue", logs=self.logs, environment=environment, speaks=True
        )
        return self._queue.line()

    def _questions(self) -> dict[str, str]:
        """What to ask for each part's readiness.

        The generator's API is ready when a worker is, so for its own sake it is only asked whether it lives. The
        orchestrator is ready when all others are, so it is asked last.
        """
        ports = self.ports
        return {
            "generator": f"{ports.url('generator')}/livez",
            "planner": f"{ports.url('planner')}/readyz",
            "critic": f"{ports.url('critic')}/readyz",
            "worker": f"{ports.url('generator')}/readyz",
            **{f"generator-{name}": f"{url}/livez" for name, url in self._further.items()},
            **{f"worker-{name}": f"{url}/readyz" for name, url in self._further.items()},
            "orchestrator": f"{ports.url('orchestrator')}/readyz",
        }

    def _all(self) -> Iterator[Part]:
        if self._queue:
            yield self._queue
        yield from self._parts.values()


def _problem(client: httpx2.Client, url: str) -> str | None:
    """What keeps the part from being ready, in its own words; None when nothing does."""
    try:
        response = client.get(url)
    except httpx2.TransportError:
        return f"it is {LOADING}"
    return None if response.is_success else str(response.json().get("detail", response.status_code))


def _give_up(name: str, problem: str, seconds: float, stood: float) -> None:
    """Raises Unavailable for a problem that will not pass. A worker loads its model before it is seen at all."""
    passing = LOADING in problem or name.startswith("worker")
    if seconds > LOADING_SECONDS or (not passing and stood > GRACE_SECONDS):
        raise Unavailable(f"the {name} does not get ready: {problem}")
