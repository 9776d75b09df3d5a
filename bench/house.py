"""A whole house of real processes that can be killed one by one: Redis, Postgres or SQLite, a chat server, the planner,
the critic, the generator's API and worker, and as many orchestrators as wanted.

What is killed is started again by the trials, as a supervisor would. Deliberately not here: faults and phases.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2
import redis

from interleavethinker.postgres_server import PostgresServer
from interleavethinker.redis_server import find_binary
from interleavethinker.settings import PREFIX
from interleavethinker.stack.memory import kept_flat

START_SECONDS = 120.0
LEASE_SECONDS = 2.0
PACE = "BENCH_PACE"
FAKETIME = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


class Part:
    """A process that can be killed, frozen, and started again in the same place."""

    def __init__(self, name: str, argv: list[str], environment: dict[str, str], logs: Path, ready: Callable[[], bool]):
        self.name, self._argv, self._environment = name, argv, environment
        self._log, self.ready = logs / f"{name}.log", ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._argv, env=self._environment | more, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def wait_ready(self) -> None:
        until(self.ready, f"{self.name} does not come up; see {self._log}")

    def signal(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()


def until(holds: Callable[[], bool], otherwise: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.02)


class House:
    """`home` holds its files. `postgres`: the journal is there, with two orchestrators; else SQLite, with one. `more`:
    settings beside its own, their names without the prefix; and BENCH_PACE (`bench.models`)."""

    def __init__(
        self,
        home: Path,
        *,
        postgres: bool,
        store: Path | None = None,
        journal: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.home, self.blobs, self._more = home, store or home / "blobs", more or {}
        home.mkdir(parents=True, exist_ok=True)
        self._http = httpx2.Client(timeout=5.0)
        names = ("redis", "chat", "planner", "critic", "generator", "one", "two")
        self.ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self.redis_url = f"redis://127.0.0.1:{self.ports['redis']}/0"
        self.postgres: PostgresServer | None = None
        if postgres:
            place = home / "postgres"
            place.mkdir(exist_ok=True)
            self.postgres = PostgresServer(place)
        self.journal = self.postgres.url if self.postgres else f"sqlite:///{journal or home}/journal.db"
        self.parts = {name: self._part(name) for name in (*names[:5], "worker", *names[5 : 7 if postgres else 6])}

    @property
    def orchestrators(self) -> list[Part]:
        return [self.parts[name] for name in ("one", "two") if name in self.parts]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url, decode_responses=True, socket_timeout=5)

    def start(self) -> None:
        if self.postgres:
            self.postgres.start()
        for part in self.parts.values():
            part.start()
        for part in self.parts.values():
            part.wait_ready()

    def stop(self) -> None:
        for part in reversed(self.parts.values()):
            part.kill()
        if self.postgres:
            self.postgres.stop()
        self._http.close()

    def _part(self, name: str) -> Part:
        port = self.ports.get(name)
        python = [sys.executable, "-m"]
        argv = {
            "redis": [
                str(find_binary()),
                "--port",
                str(port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(self.home),
            ],
            "chat": [*python, "bench.models", str(port)],
            "planner": [*python, "services.planner_service"],
            "critic": [*python, "services.critic_service"],
            "generator": [*python, "services.generator_service", "api"],
            "worker": [*python, "services.generator_service", "worker"],
        }.get(name, [*python, "services.orchestrator"])
        path = {"chat": "/v1/models", "generator": "/livez", "worker": "/readyz"}.get(name, "/readyz")
        asked = "generator" if name == "worker" else name
        ready = self._redis_answers if name == "redis" else lambda: self._answers(f"{self.url(asked)}{path}")
        return Part(name, argv, self._environment(name), self.home, ready)

    def _environment(self, name: str) -> dict[str, str]:
        chat = {"BACKEND": "openai", "FLAVOUR": "plain", "LOGPROBS": "false", "BASE_URL": f"{self.url('chat')}/v1"}
        settings = {
            "HOME": str(self.home),
            "REDIS__URL": self.redis_url,
            "BLOBS__URL": str(self.blobs),
            **{f"{role}__{field}": value for role in ("PLANNER", "CRITIC") for field, value in chat.items()},
            "PLANNER__MODEL": "planner",
            "CRITIC__MODEL": "critic",
            **{f"{role.upper()}__PORT": str(self.ports[role]) for role in ("planner", "critic", "generator")},
            **{f"ORCHESTRATOR__{role.upper()}_URL": self.url(role) for role in ("planner", "critic", "generator")},
            "ORCHESTRATOR__JOURNAL": self.journal,
            "ORCHESTRATOR__LEASE_SECONDS": str(LEASE_SECONDS),
            "GENERATOR__BACKEND": "bench.models",
            "GENERATOR__LEASE_SECONDS": str(LEASE_SECONDS),
            "ORCHESTRATOR__PORT": str(self.ports.get(name, 0)),
        } | {name: value for name, value in self._more.items() if name != PACE}
        own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        quiet = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
        pace = {PACE: self._more[PACE]} if PACE in self._more else {}
        return kept_flat(name) | own | quiet | pace | {f"{PREFIX}{name}": value for name, value in settings.items()}

    def _answers(self, url: str) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return self._http.get(url).is_success
        return False

    def _redis_answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.redis().ping())
        return False


def faketime(seconds: float) -> dict[str, str] | None:
    """The environment of a process whose clock is wrong by so much; None where this machine has no libfaketime."""
    found = next((library for library in FAKETIME if Path(library).exists()), None)
    shift = {"FAKETIME": f"{seconds:+.0f}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": found, **shift} if found else None


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
