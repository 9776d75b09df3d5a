"""What docker-compose.yml describes is run: its commands, environments and health checks, as processes."""

from __future__ import annotations

import pytest

from tests.ground.conftest import Stack

pytestmark = [pytest.mark.slow, pytest.mark.redis]


def test_the_described_stack_makes_a_document(stack: Stack):
    assert stack.answer["status"] == "succeeded"
    assert len(stack.answer["document"]["steps"]) >= 2
    assert (stack.home / "logs" / "worker.log").exists()
    assert any((stack.home / "blobs").iterdir())
