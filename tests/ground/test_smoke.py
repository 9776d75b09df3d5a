"""`python -m services.smoke` on the twin of the composed stack: a page that says that it works, or what does not."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ground.conftest import Stack

pytestmark = [pytest.mark.slow, pytest.mark.redis]


def smoke(stack: Stack, out: str, **urls: str) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("INTERLEAVETHINKER_")}
    where = [f"--{name}-url={url}" for name, url in {**stack.urls, **urls}.items()]
    words = ["--prompt", "a red boat", "--change", "make the boat blue", "--out", out, *where]
    return subprocess.run(
        [sys.executable, "-m", "services.smoke", *words],
        env=bare | {"INTERLEAVETHINKER_BLOBS__URL": str(stack.home / "blobs")},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def test_a_stack_that_works_passes(stack: Stack, tmp_path: Path):
    page = tmp_path / "smoke.html"
    done = smoke(stack, str(page))
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert '<h1>InterleaveThinker smoke test: <span class="o PASS">PASS' in text
    assert len(re.findall(r'class="o PASS">PASS<td class="w">', text)) == 13
    for about in ("generator serves", "text-to-image", "edit", "verdict", "plan", "document"):
        assert f"<td>{about}<td" in text
    assert text.count('src="data:image/png;base64,') >= 4


def test_what_does_not_work_is_named_and_what_needs_it_is_left_out(stack: Stack):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    done = smoke(stack, "-", critic=nobody, generator=stack.urls["planner"])
    assert done.returncode == 1
    assert f"FAIL  critic is ready: {nobody} does not answer" in done.stderr
    assert "FAIL  generator serves: its metrics do not say what is loaded" in done.stderr
    assert "FAIL  drawing: " in done.stderr and "SKIP  verdict: " in done.stderr
    assert 'class="o FAIL">FAIL</span>' in done.stdout
