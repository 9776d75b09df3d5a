"""One twin of the composed stack for this folder, with a document made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from deploy.twin import twin
from tests.servers.collector import Collector, collecting

WISH = "How do I draw a snowman with a red hat, step by step?"


class Stack(NamedTuple):
    """`urls` by service; `answer`: of the first document's request; `collector` gets every part's spans."""

    urls: dict[str, str]
    home: Path
    answer: dict[str, Any]
    collector: Collector


def ask(urls: dict[str, str], seed: int) -> dict[str, Any]:
    with httpx2.Client(base_url=urls["orchestrator"], timeout=180) as client:
        made = client.post("/interleave", json={"prompt": WISH, "seed": seed}, headers={"Prefer": "wait=150"})
    assert made.status_code == 200, made.text
    return made.json()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("twin")
    with collecting() as collector, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        with twin(home) as urls:
            yield Stack(urls, home, ask(urls, 1), collector)
