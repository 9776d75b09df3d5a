"""What every test stands on: quiet cores, no network, and an environment without the developer's own settings."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")  # before torch is imported

import pytest
from hypothesis import settings

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.errors import BadSettings
from interleavethinker.postgres_server import postgres_server
from interleavethinker.settings import PREFIX

# On busy cores a slow example says nothing about the code. CI looks at the same examples each time, developers at new
# ones.
settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("house")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not shutil.which("nvidia-smi"):
        pytest.skip("no CUDA device here")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Default settings, and a state directory of the test's own."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}HOME", str(tmp_path / "state"))


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    """A real, empty blob store."""
    return DirectoryBlobs(tmp_path / "blobs")


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives ports on 127.0.0.1 that nobody listened on a moment ago."""

    def give() -> int:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            return int(unused.getsockname()[1])

    return give


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a Postgres where databases may be made: TEST_POSTGRES_URL, else a server of this session's own."""
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield given
        return
    try:
        with postgres_server(durable=False) as server:
            yield server.url
    except BadSettings as error:
        pytest.skip(error.detail)


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """A new, empty database."""
    import asyncpg

    name = f"test_{secrets.token_hex(6)}"

    async def make() -> None:
        connection = await asyncpg.connect(postgres)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(make())
    return f"{postgres.rpartition('/')[0]}/{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty journal's URL, for each kind of database in turn."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/deep/journal.db"
