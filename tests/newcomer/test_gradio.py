"""The Gradio example: its page for every state of a document, and the app itself where gradio is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from interleavethinker.client import Client
from interleavethinker.document import fold
from tests.newcomer.orchestra import PROMPT, orchestra

HOME = Path(__file__).parents[2] / "examples" / "gradio"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HOME / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with orchestra(tmp_path) as url:
        monkeypatch.setenv("INTERLEAVETHINKER_URL", url)
        yield url


def test_the_page_grows_with_the_document(url: str):
    page = loaded("page")
    with Client(url) as client:
        run = client.ask(f"{PROMPT} <b>&")
        shown = page.Page(lambda digest: client.image(run, digest))
        past, grown = [], []
        for recorded in client.follow(run):
            past.append(recorded)
            grown.append(shown.html(fold(past)))
    assert "Waiting for its turn" in grown[0] and "&lt;b&gt;&amp;" in grown[0]
    assert [html.count("<figure") for html in grown] == sorted(html.count("<figure") for html in grown)
    last = grown[-1]
    assert "Done. 3 steps planned, 3 pictures drawn." in last
    assert (last.count("<section"), last.count("<figure"), last.count('class="kept"')) == (3, 3, 2)
    assert "<ins>at b2</ins>" in last and "being judged" in "".join(grown) and "being judged" not in last


def test_the_app_makes_a_document(url: str, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("gradio", reason="gradio is not installed: pip install -r examples/gradio/requirements.txt")
    gradio_client = pytest.importorskip("gradio_client")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    monkeypatch.setitem(sys.modules, "page", loaded("page"))
    blocks = loaded("app").space()
    _, served, _ = blocks.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        asked = gradio_client.Client(served, verbose=False)
        html, *_ = asked.predict(PROMPT, 5, "quick", 0, api_name="/make")
        assert "Done. 3 steps planned, 3 pictures drawn." in html
    finally:
        blocks.close()
