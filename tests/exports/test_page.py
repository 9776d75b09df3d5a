"""The single page as a browser shows it, wide and narrow, with all scripts and twelve pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from interleavethinker.exports import export
from tests.exports.looks import CHROMIUM, browsed, find
from tests.exports.manuscript import in_one_language, manuscript


def test_language_direction_and_facts():
    document, images = in_one_language("ar")
    html = export(document, images, "html").decode()
    assert '<html lang="ar" dir="rtl">' in html
    assert '<meta name="date" content="2026-11-24T09:32:00+00:00">' in html
    assert "trainedAlgorithmicMedia" in html
    assert '<html lang="fa" dir="rtl">' in export(document, images, "html", language="FA").decode()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
@pytest.mark.parametrize(("wide", "high"), [(1100, 7000), (500, 10_500)])
def test_as_a_browser_shows_it(wide: int, high: int, tmp_path: Path):
    document, images = manuscript()
    path = tmp_path / "guide.html"
    path.write_bytes(export(document, images, "html"))
    page = browsed(path, (wide, high))
    places = [found for number in range(1, 13) for found in find([page], number)]
    assert len(places) == 12
    assert [it.top for it in places] == sorted(it.top for it in places)
    assert all(0 < it.left < it.right < wide - 10 for it in places)
