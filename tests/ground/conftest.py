"""One twin of the composed stack for this folder, with a document made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from deploy.twin import twin

WISH = "How do I draw a snowman with a red hat, step by step?"


class Stack(NamedTuple):
    """`urls` by service; `answer`: of the first document's request."""

    urls: dict[str, str]
    home: Path
    answer: dict[str, Any]


def ask(urls: dict[str, str], seed: int) -> dict[str, Any]:
    with httpx2.Client(base_url=urls["orchestrator"], timeout=180) as client:
        made = client.post("/interleave", json={"prompt": WISH, "seed": seed}, headers={"Prefer": "wait=150"})
    assert made.status_code == 200, made.text
    return made.json()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("twin")
    with twin(home) as urls:
        yield Stack(urls, home, ask(urls, 1))
