"""Words that have one home, and words that have none."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("interleavethinker", "services", "smallworld", "training", "evaluation", "bench")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
NO_NAME = re.compile(r"utils?|helpers?|common|misc|managers?|process(or)?|handlers?")


def test_only_the_codec_knows_the_models_markers():
    markers = re.compile(r"</?(think|answer)>")
    knowing = [path for path in SOURCES if markers.search(path.read_text(encoding="utf-8"))]
    assert [path for path in knowing if path.parent != ROOT / "interleavethinker" / "codec"] == []
    assert knowing, "the codec has moved: this test looks in the wrong place"


def test_no_module_is_named_by_nothing():
    parts = [(path, part) for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts]
    assert [path for path, part in parts if NO_NAME.fullmatch(part)] == []


def test_every_module_says_what_it_is_for():
    silent = [path for path in SOURCES if not path.read_text(encoding="utf-8").lstrip().startswith(('"""', 'r"""'))]
    assert [path for path in silent if path.stat().st_size > 0] == []


def test_one_http_library():
    others = re.compile(r"^\s*(import|from) (httpx|requests|aiohttp|urllib3)\b", re.MULTILINE)
    sources = [*SOURCES, *(ROOT / "tests").rglob("*.py")]
    assert [path for path in sources if others.search(path.read_text(encoding="utf-8"))] == []
