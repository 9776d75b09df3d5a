"""The machine itself: what is installed, what the settings say, room on the disk, and free ports."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from interleavethinker import __version__
from interleavethinker.doctor.finding import Finding, note, ok, wrong
from interleavethinker.errors import BadSettings
from interleavethinker.settings import PREFIX, BlobSettings, load_section, state_dir

STACK = ("fastapi", "celery", "redis", "sqlalchemy", "torch", "transformers", "diffusers", "services")
SHOWN = ("pydantic", "httpx2", "fastapi", "celery", "redis", "torch", "transformers", "diffusers")
LITTLE, SCARCE = 1e9, 5e9
"""Bytes: with less than the first nothing works for long; less than the second is worth knowing."""
SERVICES = ("orchestrator", "planner", "critic", "generator")
LOOK_SECONDS = 120.0


class Checkup(NamedTuple):
    """What the services say of themselves: their sections' settings, and their journal's state."""

    findings: list[Finding]
    sections: dict[str, dict[str, Any]]
    journal: dict[str, Any] | None


def missing() -> list[str]:
    """What a stack needs and is not installed."""
    return [name for name in STACK if importlib.util.find_spec(name) is None]


def packages() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    found = {}
    for name in SHOWN:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    told = ", ".join(f"{name} {number}" for name, number in found.items())
    yield ok("versions", f"interleavethinker {__version__}, Python {python}, {told}")
    if (absent := missing()) and len(absent) < len(STACK) - 1 and "fastapi" not in absent:
        yield wrong("packages", f"missing: {', '.join(absent)}", "pip install 'interleavethinker[serve,models]'")


def checkup() -> Checkup:
    """Ask the services' own code, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "services.checkup"],
        capture_output=True, text=True, timeout=LOOK_SECONDS, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        found = wrong("services", f"they cannot be loaded: {last}", "pip install 'interleavethinker[serve,models]'")
        return Checkup([found], {}, None)
    said = json.loads(done.stdout.strip().splitlines()[-1])
    profile = os.environ.get(f"{PREFIX}PROFILE") or "cpu"
    bad = {name: facts["problem"] for name, facts in said["sections"].items() if "problem" in facts}
    # A wrong name anywhere is every section's problem: it is told once.
    told = [
        wrong("settings", problem, "correct the variable or the profile") for problem in dict.fromkeys(bad.values())
    ]
    sections = {name: facts for name, facts in said["sections"].items() if name not in bad}
    return Checkup(told or [ok("settings", f"profile {profile}, all sections fit")], sections, said["journal"])


def disk() -> Iterator[Finding]:
    """Room, and the right to write, where state and pictures go."""
    places = {"state": state_dir()}
    try:
        url = load_section("blobs", BlobSettings).url
    except BadSettings:
        url = ""
    if url and "://" not in url:
        places["pictures"] = Path(url)
    seen: set[Path] = set()
    for name, place in places.items():
        there = _nearest(place.absolute())
        if there in seen:
            continue
        seen.add(there)
        free = shutil.disk_usage(there).free
        told = f"{free / 1e9:.1f} GB free for {name} in {place}"
        if not os.access(there, os.W_OK):
            yield wrong("disk", f"{there} cannot be written", f"give the right to, or set {PREFIX}HOME")
        elif free < LITTLE:
            yield wrong("disk", told, f"make room, or set {PREFIX}HOME to another disk")
        else:
            yield note("disk", told, "not much") if free < SCARCE else ok("disk", told)


def ports(sections: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Free, or taken by a stack of ours that is up."""
    free, up = [], []
    for name in SERVICES:
        port = sections.get(name, {}).get("port")
        if not port:
            continue
        if not _taken(port):
            free.append(str(port))
        elif _ours(port):
            up.append(f"{name} on {port}")
        else:
            variable = f"{PREFIX}{name.upper()}__PORT"
            yield wrong("ports", f"{port}, the {name}'s, is taken by another program", f"stop it, or set {variable}")
    if up:
        yield note("ports", f"a stack is up: {', '.join(up)}")
    if free:
        yield ok("ports", f"{', '.join(free)} are free")


def _nearest(path: Path) -> Path:
    """The path, or what there is of it."""
    return path if path.exists() else _nearest(path.parent)


def _taken(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def _ours(port: int) -> bool:
    """Whether a service of ours answers there."""
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/livez", timeout=2.0).status_code == 200
    except httpx2.TransportError:
        return False
