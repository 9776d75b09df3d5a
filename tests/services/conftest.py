"""Fixtures of tests that go through the orchestrator's door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interleavethinker.blobs import DirectoryBlobs
from tests import doors


@pytest.fixture
async def house(tmp_path: Path, blobs: DirectoryBlobs) -> AsyncIterator[doors.House]:
    opened = doors.House(f"sqlite:///{tmp_path}/journal.db", blobs)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def picture() -> str:
    """A little picture as callers send it."""
    return doors.picture()
