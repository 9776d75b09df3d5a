"""Where the parts of a local stack listen, and the environment that tells them so."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple, Self

from interleavethinker.errors import BadSettings
from interleavethinker.settings import NO_PRESET, PREFIX, said, said_tables
from interleavethinker.types import GENERATOR_NAME

LOCAL = "127.0.0.1"


class Ports(NamedTuple):
    """The ports of the four services, by their sections' names."""

    orchestrator: int = 8080
    planner: int = 8081
    critic: int = 8082
    generator: int = 8083

    @classmethod
    def of_settings(cls) -> Self:
        """What the environment and the profile say, else the defaults. Raises BadSettings."""
        found = {name: said(name, "port") for name in cls._fields}
        try:
            return cls(**{name: int(port) for name, port in found.items() if port})
        except ValueError as error:
            raise BadSettings(f"a port is a number: {error}") from error

    @classmethod
    def free(cls) -> Self:
        """Four that nobody listens on now."""
        with ExitStack() as held:  # all are held until the last is found, so that none is given twice
            probes = [held.enter_context(closing(socket.socket())) for _ in cls._fields]
            for probe in probes:
                probe.bind((LOCAL, 0))
            return cls(*(int(probe.getsockname()[1]) for probe in probes))

    def check_free(self) -> None:
        """Raises BadSettings for a port that is taken, with the variable that would name another."""
        for name, port in zip(self._fields, self, strict=True):
            with closing(socket.socket()) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOCAL, port))
                except OSError as error:
                    variable = f"{PREFIX}{name.upper()}__PORT"
                    raise BadSettings(
                        f"port {port} is taken, which the {name} needs: stop what listens there (another stack?), "
                        f"or set {variable} to another one"
                    ) from error

    def url(self, name: str) -> str:
        return f"http://{LOCAL}:{getattr(self, name)}"


def environment(ports: Ports, home: Path, redis_url: str) -> dict[str, str]:
    """The parts' environment: this process's own, with the places of everything filled in.

    Three parts compute, of which rarely more than two at once: each gets half of the cores, unless OMP_NUM_THREADS says
    otherwise.
    """
    places = {f"{name}__PORT": str(getattr(ports, name)) for name in ports._fields}
    places |= {f"ORCHESTRATOR__{name}_URL": ports.url(name) for name in ("planner", "critic", "generator")}
    places |= {"HOME": str(home), "REDIS__URL": redis_url}
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 2) // 2)), "PYTHONUNBUFFERED": "1"}
    return threads | os.environ | {f"{PREFIX}{name.upper()}": value for name, value in places.items()}


class Further(NamedTuple):
    """Another generator of the stack: where its service is, and the variables that make it another one."""

    url: str
    own: dict[str, str]


def further_generators(ports: Ports, environment: Mapping[str, str]) -> dict[str, Further]:
    """Those of the section `generators`, by name: each is a generator service with its own worker, whose settings are
    those of `[generator]` with its own on top. They listen on the port that they name, else on a free one."""
    tables, found = said_tables("generators"), {}
    shared = environment.get(f"{PREFIX}GENERATOR__NAMESPACE") or said("generator", "namespace") or "generator"
    with ExitStack() as held:
        for name, table in tables.items():
            if not re.fullmatch(GENERATOR_NAME, name):
                raise BadSettings(f"generators.{name}: write a name of small letters, digits, '-', '_' and '.'")
            probe = held.enter_context(closing(socket.socket()))
            probe.bind((LOCAL, 0))
            port = table.get("port") or probe.getsockname()[1]
            fresh: dict[str, object] = {}
            if "preset" in table:  # what the environment says of the default one's model is not meant for this one
                fresh = dict.fromkeys(("backend", "model", "commit", "partner", "imports", "call", "edit_call"), "")
            elif "model" in table:
                fresh = {"preset": NO_PRESET}
            fields = {**fresh, "namespace": f"{shared}-{name.replace('.', '-')}", **table, "port": port}
            own = {f"{PREFIX}GENERATOR__{field.upper()}": _text(value) for field, value in fields.items()}
            found[name] = Further(f"http://{LOCAL}:{port}", own)
    return found


def offering(further: Mapping[str, Further], environment: Mapping[str, str]) -> dict[str, str]:
    """The orchestrator's variable that names them, beside those that it names already."""
    if not further:
        return {}
    before = said("orchestrator", "generators") or {}
    return {f"{PREFIX}ORCHESTRATOR__GENERATORS": json.dumps({**before, **{n: each.url for n, each in further.items()}})}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def apart(ports: Ports, home: Path) -> dict[str, str]:
    """Settings by which a stack shares nothing that is not content-addressed with another one on the same machine."""
    own = {
        "ORCHESTRATOR__JOURNAL": f"sqlite:///{home}/journal.db",
        "ORCHESTRATOR__AUTH": "off",  # nobody but this machine reaches it, and its new journal has no keys
        "BLOBS__URL": str(home / "blobs"),
        "GENERATOR__NAMESPACE": f"stack-{ports.generator}",
    }
    own |= {f"{name}__HOST": LOCAL for name in ports._fields}
    return {f"{PREFIX}{name.upper()}": value for name, value in own.items()}
