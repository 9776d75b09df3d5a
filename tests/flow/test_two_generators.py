"""A local stack with two generators: the small world's, and a hosted one by URL. Everything but the hosted server,
which draws flat pictures, is real."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from interleavethinker.client import Client
from interleavethinker.events import Status
from interleavethinker.settings import PREFIX
from interleavethinker.stack.local import LocalStack
from interleavethinker.stack.places import Ports
from tests.servers.images_server import ImagesServer

pytestmark = [pytest.mark.slow, pytest.mark.redis]
REQUEST = "How do I draw a snowman with a red hat, step by step?"
KEY = "sk-test-0123456789abcdef"


def test_a_request_chooses_its_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with ImagesServer(key=KEY).serving() as server:
        for name, value in {
            "GENERATORS__HOSTED__BACKEND": "openai_images",
            "GENERATORS__HOSTED__MODEL": server.model,
            "GENERATORS__HOSTED__HOSTED__BASE_URL": server.url,
            "GENERATORS__HOSTED__HOSTED__PRICE__IMAGE": "0.04",
        }.items():
            monkeypatch.setenv(PREFIX + name, value)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        with LocalStack(tmp_path / "stack", Ports.free(), apart=True) as stack:
            ready = [each.part for each in stack.until_ready()]
            assert {"worker-hosted", "generator-hosted"} < set(ready)
            with Client(stack.url) as client:
                made = {}
                for name in ("hosted", None):
                    run = client.ask(REQUEST, seed=3, max_attempts=1, generator=name)
                    for _ in client.follow(run):
                        pass
                    made[name] = client.document(run)
            refused = httpx2.post(f"{stack.url}/interleave", json={"prompt": REQUEST, "generator": "other"})
            server.key = "another"  # ours is refused from now on, and repeated by the server
            asked = {"prompt": REQUEST, "generator": "hosted", "max_attempts": 1, "seed": 77}
            wait = {"Prefer": "wait=60"}
            told = httpx2.post(f"{stack.url}/interleave", json=asked, headers=wait, timeout=70).json()["document"]
            shown = [httpx2.get(f"{stack.url}/metrics").text, refused.text, str(told)]
        assert refused.json()["known"] == ["default", "hosted"]
        logs = "".join(path.read_text() for path in stack.logs.glob("*.log"))
    assert [document.status for document in made.values()] == [Status.SUCCEEDED] * 2
    hosted = [attempt for step in made["hosted"].steps for attempt in step.attempts]
    assert {attempt.model.partition("@")[0] for attempt in hosted} == {"test-image-1"}
    assert {attempt.cost.amount for attempt in hosted if attempt.cost} == {0.04}
    own = [attempt for step in made[None].steps for attempt in step.attempts]
    assert {attempt.model.partition("@")[0] for attempt in own} == {"smallworld-generator"}
    assert all(attempt.cost is None for attempt in own)
    assert told["status"] == "failed"
    assert "refuses the key (401): set generator.hosted.api_key" in told["problem"]["detail"]
    assert KEY not in logs + "".join(shown) + "".join(document.model_dump_json() for document in made.values())
