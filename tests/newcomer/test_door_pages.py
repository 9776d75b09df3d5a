"""Each door's page in docs/ begins with a few lines of Python; they run as they stand, but for the addresses."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.client import Client
from services.orchestrator.settings import Endpoint, WebhookSettings
from tests import doors
from tests.generator_stack import serving
from tests.newcomer.orchestra import orchestra

ROOT = Path(__file__).parents[2]
PAGES = ("openai-responses", "mcp", "webhooks", "gradio")
MOST_LINES = 14


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def first_lines(name: str) -> str:
    """The page's first block of code, which is all that stands between its title and its text."""
    found = re.match(r"# .+\n\n```python\n(.*?)```\n", page(name), re.DOTALL)
    assert found, f"docs/{name}.md does not begin with lines that run"
    return found[1]


@contextmanager
def running(code: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The code as a program of its own, ended at the end."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": paths, "GRADIO_ANALYTICS_ENABLED": "False"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


def said(code: str, cwd: Path) -> str:
    with running(code, cwd) as program:
        out, wrong = program.communicate(timeout=90)
        assert program.returncode == 0, wrong
        return out


@pytest.mark.parametrize("name", PAGES)
def test_a_page_begins_with_few_lines(name: str):
    lines = [line for line in first_lines(name).splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES


def test_responses(tmp_path: Path):
    with orchestra(tmp_path / "served") as url:
        out = said(first_lines("openai-responses").replace("http://localhost:8080", url), tmp_path)
    assert out.startswith("## 1. Step 1\n\nNow a ball")
    pictures = sorted(tmp_path.glob("ig_*.png"))
    assert len(pictures) == 2 and all(each.read_bytes().startswith(b"\x89PNG") for each in pictures)


def test_mcp(tmp_path: Path):
    with orchestra(tmp_path / "served") as url:
        # The server is a program that the SDK starts, with little of our environment: it finds itself where it is.
        assert "start_document" in said(first_lines("mcp").replace("http://localhost:8080", url), ROOT)
        with Client(url) as client:
            assert len(list(client.runs())) == 1
    told = json.loads(re.findall(r"```json\n(.*?)```", page("mcp"), re.DOTALL)[0])["mcpServers"]["interleavethinker"]
    assert (told["command"], told["args"]) == ("python", ["-m", "interleavethinker.mcp_server"])


def test_webhooks(tmp_path: Path, free_port: Any):
    code, port = first_lines("webhooks"), free_port()
    secret = re.findall(r"whsec_[\w+/=]+", code)[0]
    setting = re.findall(r"WEBHOOKS='(.*)'", page("webhooks"))[0]
    assert WebhookSettings.model_validate_json(setting).endpoints[0].secret.get_secret_value() == secret
    endpoint = Endpoint(url=f"http://127.0.0.1:{port}/", secret=secret)
    blobs = DirectoryBlobs(tmp_path / "blobs")
    app = doors.orchestrator(
        f"sqlite:///{tmp_path}/journal.db", blobs, "a hill",
        webhooks=WebhookSettings(endpoints=(endpoint,), look_seconds=0.1, first_wait=0.2),
    )  # fmt: skip
    with running(code.replace("9000", str(port)), tmp_path) as receiver, serving(app) as url:
        with Client(url) as client:
            run = client.ask("a hill")
            assert receiver.stdout
            assert receiver.stdout.readline().split() == ["run.finished", run, "succeeded"]
        with pytest.raises(httpx2.TransportError):  # what nobody signed is not believed, nor answered
            httpx2.post(f"http://127.0.0.1:{port}/", content=b"{}")


def test_gradio(tmp_path: Path, free_port: Any):
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("gradio is not installed: pip install -r examples/gradio/requirements.txt")
    port = free_port()
    with orchestra(tmp_path / "served") as url:
        code = f"import os; os.environ['GRADIO_SERVER_PORT'] = '{port}'\n" + first_lines("gradio")
        with running(code.replace("http://localhost:8080", url), tmp_path):
            page_url, until = f"http://127.0.0.1:{port}/", time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    assert httpx2.get(page_url).status_code == 200
                    break
                except httpx2.TransportError:
                    time.sleep(0.3)
            asked = httpx2.post(f"{page_url}gradio_api/call/make", json={"data": ["a ball"]}).json()["event_id"]
            told = httpx2.get(f"{page_url}gradio_api/call/make/{asked}", timeout=60).text
            assert "event: complete" in told and "(2 drawn)" in told
