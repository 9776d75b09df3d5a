"""What docker-compose.yml describes is run: its commands, environments and health checks, as processes."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from deploy.twin import twin


@pytest.mark.slow
@pytest.mark.redis
def test_the_described_stack_makes_a_document(tmp_path: Path):
    with twin(tmp_path) as url, httpx2.Client(base_url=url, timeout=180) as client:
        wish = {"prompt": "How do I draw a snowman with a red hat, step by step?", "seed": 3}
        made = client.post("/interleave", json=wish, headers={"Prefer": "wait=150"})
        assert made.status_code == 200, made.text
        answer = made.json()
        assert answer["status"] == "succeeded", answer
        assert len(answer["document"]["steps"]) >= 2
    assert (tmp_path / "logs" / "worker.log").exists() and any((tmp_path / "blobs").iterdir())
