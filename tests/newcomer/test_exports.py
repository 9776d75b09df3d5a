"""The document folder: whole, offline, readable by people and programs, and safe whatever a model wrote."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from interleavethinker.document import Document
from interleavethinker.exports import fetch_images, write_folder
from interleavethinker.exports.pictures import enlarged
from tests.newcomer.documents import Painted, wide_document


class Read(HTMLParser):
    """The page as a browser takes it: tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def painted() -> Painted:
    return Painted()


def test_the_folder_is_whole(painted: Painted, tmp_path: Path):
    path = write_folder(painted.document, painted.images, tmp_path / "new" / "out")
    assert path == tmp_path / "new" / "out" / "document.html"
    facts = json.loads((path.parent / "document.json").read_text())
    assert Document.model_validate(facts["document"]) == painted.document
    assert facts["files"].keys() == painted.images.keys()
    assert all((path.parent / name).is_file() for name in facts["files"].values())
    assert facts["provenance"]["generators"] == ["smallworld-generator@0123456789ab"]
    assert facts["provenance"]["document_digest"] == painted.document.digest
    text = (path.parent / "document.md").read_text()
    assert re.findall(r"\]\((.*?)\)", text) == [
        f"images/step-{n}.png" for n in range(1, len(painted.document.steps) + 1)
    ]


def test_the_page_holds_everything_and_loads_nothing(painted: Painted, tmp_path: Path):
    html = write_folder(painted.document, painted.images, tmp_path).read_text()
    page = Read(html)
    pictures = page.all("img")
    attempts = sum(len(entry.attempts) for entry in painted.document.steps)
    assert len(pictures) == len(painted.document.steps) + attempts
    assert all((picture["src"] or "").startswith("data:image/png;base64,") for picture in pictures)
    assert all(picture["alt"] for picture in pictures)
    assert not {"script", "link", "iframe", "a"} & {tag for tag, _ in page.tags}
    assert "url(" not in html
    assert [tag for tag, _ in page.tags if tag in ("h1", "h2")] == ["h1", *["h2"] * len(painted.document.steps)]
    for words in (painted.document.request.brief.prompt, "The critic’s objections", "redrawn", "% sure", "judging"):
        assert words in page.text


def test_a_redraw_shows_what_the_critic_changed(painted: Painted, tmp_path: Path):
    html = write_folder(painted.document, painted.images, tmp_path).read_text()
    first, second = painted.document.steps[1].attempts[:2]
    assert first.prompt != second.prompt
    assert "<ins>" in html
    assert "<del>" in html


def test_what_was_not_accepted_says_so(tmp_path: Path):
    painted = Painted(accepted=False)
    page = Read(write_folder(painted.document, painted.images, tmp_path).read_text())
    assert "never accepted; number 2 is the best" in page.text
    assert "never accepted" in (tmp_path / "document.md").read_text()


def test_a_document_cut_short_keeps_its_beginning(painted: Painted, tmp_path: Path):
    page = Read(write_folder(painted.cut_short(), painted.images, tmp_path).read_text())
    assert "cut short" in page.text
    assert "budget.max_draws = 4 drawings are spent" in page.text
    assert not (tmp_path / "images" / f"step-{len(painted.document.steps)}.png").exists()


def test_markup_in_a_models_text_does_no_harm(tmp_path: Path):
    document, images = wide_document()
    page = Read(write_folder(document, images, tmp_path).read_text())
    assert not page.all("script")
    assert [link["href"] for link in page.all("a")] == ["https://example.org"]
    assert all((picture["src"] or "").startswith("data:") for picture in page.all("img"))
    assert page.all("strong"), "Markdown is rendered"
    assert "<script" not in (tmp_path / "document.md").read_text()


def test_an_earlier_documents_pictures_are_removed_and_nothing_else(painted: Painted, tmp_path: Path):
    (tmp_path / "images").mkdir()
    for name in ("step-9.png", "step-2-attempt-7.png", "mine.png"):
        (tmp_path / "images" / name).write_bytes(b"")
    write_folder(painted.document, painted.images, tmp_path)
    left = {path.name for path in (tmp_path / "images").iterdir()}
    assert "mine.png" in left
    assert not left & {"step-9.png", "step-2-attempt-7.png"}


def test_small_pictures_are_enlarged_crisply_and_stay_marked():
    marks, out = PngInfo(), io.BytesIO()
    marks.add_itxt("Software", "drawn by a machine")
    small = Image.effect_noise((128, 96), 60)
    small.save(out, "PNG", pnginfo=marks)
    with Image.open(io.BytesIO(enlarged(out.getvalue()))) as large:
        assert large.size == (512, 384)
        assert large.resize(small.size, Image.Resampling.NEAREST).tobytes() == small.tobytes()
        assert large.getcolors() == [(16 * count, colour) for count, colour in small.getcolors() or []]
        assert large.text == {"Software": "drawn by a machine"}
    assert enlarged(large_png := _png((300, 20))) is large_png


def test_each_picture_is_fetched_once(painted: Painted):
    asked: list[str] = []
    fetched = fetch_images(painted.document, lambda digest: asked.append(digest) or painted.images[digest])  # type: ignore[func-returns-value]
    assert sorted(asked) == sorted(painted.images)
    assert fetched == painted.images


def _png(size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size).save(out, "PNG")
    return out.getvalue()
