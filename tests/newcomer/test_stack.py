"""The local stack's own promises, shown with its lightest part: a part ends with its parent, and its death is told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

from interleavethinker.errors import BadSettings
from interleavethinker.redis_server import find_binary
from interleavethinker.settings import PREFIX, load_section
from interleavethinker.stack.memory import kept_flat
from interleavethinker.stack.part import Part, PartDied
from interleavethinker.stack.places import Ports, environment, further_generators, offering
from services.generator_service.settings import GeneratorSettings

HOLD = """
import os, sys, time
from pathlib import Path
from interleavethinker.stack.memory import kept_flat
from interleavethinker.stack.part import Part
part = Part("queue", "interleavethinker.stack.queue", logs=Path(sys.argv[1]), environment=os.environ, speaks=True)
print(part.line(), flush=True)
time.sleep(60)
"""


def until(true: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def answers(url: str) -> bool:
    with redis.Redis.from_url(url, retry=None) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


@pytest.mark.redis
def test_nothing_outlives_a_stack_that_is_killed(tmp_path: Path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    url = holder.stdout.readline().decode().strip()
    family = psutil.Process(holder.pid).children(recursive=True)
    assert answers(url)
    assert any(find_binary().name in child.name() for child in family)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert until(lambda: not answers(url))
    assert until(lambda: not any(child.is_running() and child.status() != "zombie" for child in family))


@pytest.mark.redis
def test_a_part_is_stopped_with_what_it_started(tmp_path: Path):
    part = Part("queue", "interleavethinker.stack.queue", logs=tmp_path, environment=os.environ, speaks=True)
    url = part.line()
    part.check()
    part.ask_to_end()
    part.end(time.monotonic() + 10)
    assert not answers(url)


def test_a_part_that_dies_gives_its_last_words(tmp_path: Path):
    (tmp_path / "broken.log").write_text("words of an earlier start\n")
    part = Part("broken", "services.nowhere", logs=tmp_path, environment=os.environ)
    assert until(lambda: _died(part))
    with pytest.raises(PartDied, match="the broken ended with exit code 1") as died:
        part.check()
    assert "No module named services.nowhere" in str(died.value.extra["last"])
    assert "earlier" not in str(died.value.extra["last"])
    assert died.value.extra["log"] == str(tmp_path / "broken.log")
    part.end(time.monotonic())


def _died(part: Part) -> bool:
    try:
        part.check()
    except PartDied:
        return True
    return False


def test_a_taken_port_is_named_with_its_setting(free_port: Callable[[], int]):
    ports = Ports(*(free_port() for _ in range(4)))
    ports.check_free()
    with socket.create_server(("127.0.0.1", ports.critic)), pytest.raises(BadSettings) as refused:
        ports.check_free()
    assert f"port {ports.critic} is taken" in refused.value.detail
    assert f"{PREFIX}CRITIC__PORT" in refused.value.detail


def test_ports_come_from_the_settings(monkeypatch: pytest.MonkeyPatch):
    assert Ports.of_settings() == Ports(8080, 8081, 8082, 8083)
    monkeypatch.setenv(f"{PREFIX}PLANNER__PORT", "9001")
    assert Ports.of_settings() == Ports(8080, 9001, 8082, 8083)
    assert environment(Ports.of_settings(), Path("/h"), "redis://r")[f"{PREFIX}ORCHESTRATOR__PLANNER_URL"].endswith(
        ":9001"
    )
    monkeypatch.setenv(f"{PREFIX}PLANNER__PORT", "many")
    with pytest.raises(BadSettings, match="a port is a number"):
        Ports.of_settings()


def test_free_ports_are_four_different_ones():
    assert len(set(Ports.free())) == 4


def test_what_is_freed_goes_back_unless_the_user_says_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "5")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    given = kept_flat("orchestrator") | environment(Ports.free(), tmp_path, "")
    assert (given["MALLOC_ARENA_MAX"], given["MALLOC_TRIM_THRESHOLD_"]) == ("5", "131072")
    assert "MALLOC_TRIM_THRESHOLD_" not in kept_flat("worker") | environment(Ports.free(), tmp_path, "")


def test_further_generators_have_places_and_queues_of_their_own(monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "GENERATORS__HOSTED__BACKEND": "openai_images",
        "GENERATORS__HOSTED__MODEL": "gpt-image-1.5",
        "GENERATORS__HOSTED__HOSTED__BASE_URL": "http://127.0.0.1:9/v1",
        "GENERATORS__HOSTED__HOSTED__PRICE__IMAGE": "0.04",
        "GENERATORS__BANANA__BACKEND": "gemini",
        "GENERATORS__BANANA__PORT": "8099",
        "ORCHESTRATOR__GENERATORS": '{"far": "http://127.0.0.1:7"}',
    }.items():
        monkeypatch.setenv(PREFIX + name, value)
    found = further_generators(Ports(), {f"{PREFIX}GENERATOR__NAMESPACE": "stack-1"})
    assert set(found) == {"hosted", "banana"}
    assert found["banana"].url == "http://127.0.0.1:8099"
    own = found["hosted"].own
    assert own[f"{PREFIX}GENERATOR__NAMESPACE"] == "stack-1-hosted"
    assert json.loads(own[f"{PREFIX}GENERATOR__HOSTED"]) == {
        "base_url": "http://127.0.0.1:9/v1",
        "price": {"image": "0.04"},
    }
    offered = json.loads(offering(found, {})[f"{PREFIX}ORCHESTRATOR__GENERATORS"])
    assert offered == {"far": "http://127.0.0.1:7", **{name: each.url for name, each in found.items()}}
    for name, value in own.items():  # the service reads them as its own section
        monkeypatch.setenv(name, value)
    settings = load_section("generator", GeneratorSettings)
    assert (settings.backend, settings.model, settings.hosted.price.image) == ("openai_images", "gpt-image-1.5", 0.04)
    monkeypatch.setenv(f"{PREFIX}GENERATORS__FAST", "yes")
    with pytest.raises(BadSettings, match=r"generators\.fast is no table"):
        further_generators(Ports(), {})
