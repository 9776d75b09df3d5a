"""docs/performance.md shows the figures that are in bench/results/."""

from __future__ import annotations

import json
from pathlib import Path

from bench.tables import RESULT, table

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def test_the_table_is_the_results():
    assert table(json.loads(RESULT.read_text(encoding="utf-8"))) in PAGE.read_text(encoding="utf-8")
