"""The whole local stack with the committed checkpoints: a real document, and the orchestrator killed in the middle of
it.

Nothing is fake here: Redis, Celery, the worker, the models, SQLite, HTTP.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from interleavethinker.client import Client
from interleavethinker.document import Document
from interleavethinker.events import Drawn, Judged, Status
from interleavethinker.stack.local import LocalStack
from interleavethinker.stack.places import Ports
from smallworld.edits import apply
from smallworld.prompts import parse
from smallworld.scene import Scene

pytestmark = [pytest.mark.slow, pytest.mark.redis]
REQUEST = "How do I draw a snowman with a red hat, step by step?"
SIZE = 128


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    home = tmp_path_factory.mktemp("stack")
    with LocalStack(home, Ports.free(), apart=True) as running:
        for _ in running.until_ready():
            pass
        yield running


def orchestrator_of_this_test() -> psutil.Process:
    alive = [child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]
    return next(child for child in alive if "services.orchestrator" in child.cmdline())


def drawn_so_far(stack: LocalStack) -> int:
    text = httpx2.get(f"{stack.ports.url('generator')}/metrics").text
    found = [line for line in text.splitlines() if line.startswith('interleavethinker_draws_total{outcome="done"}')]
    return int(float(found[0].split()[-1])) if found else 0


def test_a_document_is_made_and_its_plan_is_right(stack):
    with Client(stack.url) as client:
        run = client.ask(REQUEST, seed=3)
        events = list(client.follow(run))
        document = client.document(run)
        assert document.status is Status.SUCCEEDED
        scene: Scene | None = None
        for step in document.steps:
            scene = apply(parse(step.step.prompt or ""), scene)
        assert scene is not None
        assert sorted(str(thing) for thing in scene.things.values()) == ["red hat", "white head", "white snowball"]
        for step in document.steps:
            assert step.image
            assert client.image(run, step.image.digest).startswith(b"\x89PNG")
            assert (step.image.width, step.image.height) == (SIZE, SIZE)
        assert sum(isinstance(recorded.event, Drawn) for recorded in events) >= len(document.steps)


def test_a_killed_orchestrator_makes_the_same_document_and_draws_nothing_twice(stack):
    with Client(stack.url, patience=120) as client:
        before = drawn_so_far(stack)
        run = client.ask(REQUEST, seed=11)
        kills = 0
        started: list[subprocess.Popen[bytes]] = []
        try:
            for recorded in client.follow(run):
                if kills < 2 and isinstance(recorded.event, (Drawn, Judged)[kills]):
                    process = orchestrator_of_this_test()
                    command, environment = [sys.executable, "-m", "services.orchestrator"], process.environ()
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    with open(os.devnull, "wb") as nowhere:
                        started.append(subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere))
            disturbed = client.document(run)
            jobs = Counter(attempt.job_id for step in disturbed.steps for attempt in step.attempts)
            undisturbed = made(client, seed=11)
        finally:
            for child in started:
                child.terminate()
                child.wait()
    assert kills == 2
    assert disturbed.digest == undisturbed.digest
    assert max(jobs.values()) == 1
    assert drawn_so_far(stack) - before == len(jobs)  # the undisturbed run found every picture drawn already


def made(client: Client, seed: int) -> Document:
    run = client.ask(REQUEST, seed=seed)
    for _ in client.follow(run):
        pass
    return client.document(run)


def test_checkpoints_are_what_their_manifests_say():
    from interleavethinker.checkpoint import check_files, check_pack, read_manifest
    from interleavethinker.codec import load_pack

    for kind in ("planner", "critic", "generator"):
        directory = Path("checkpoints/smallworld") / kind
        manifest = read_manifest(directory)
        assert manifest is not None
        assert manifest.metrics
        check_files(manifest, directory)
        if kind != "generator":
            check_pack(manifest, load_pack("compact"))
        assert sum(path.stat().st_size for path in directory.rglob("*")) < 12 * 2**20
