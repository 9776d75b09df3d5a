"""The small models' rows, from times written by hand."""

from __future__ import annotations

import json
from pathlib import Path

from bench.small import Made, Trio, into, rows


def test_the_rows_are_those_of_documents_json(tmp_path: Path):
    baseline, plain = Made(4.0, 1.0, (1, 2, 3)), Made(4.4, 0.5, (1, 2, 3), 2.0)
    trios = [Trio(baseline, plain, Made(3.0, 0.5, (1, 2, 2), 2.0))] * 3
    found = rows(trios, seed=0)
    assert [row["speculate"] for row in found] == [False, True]
    assert [row["ratio_to_baseline"] for row in found] == [1.1, 0.75]
    assert found[1]["ratio_to_floor"] == 1.5
    assert [row["same_attempts"] for row in found] == [3, 0]
    assert found[0]["acceptance"] == round(2 / 6, 3)
    assert found[0]["seconds"] == {"p50": 4.4, "p95": 4.4}
    path = tmp_path / "documents.json"
    path.write_text(json.dumps({"n": 12, "rows": [{"profile": "9b"}, {"profile": "smallworld"}]}))
    into(path, found)
    assert [row["profile"] for row in json.loads(path.read_text())["rows"]] == ["9b", "smallworld", "smallworld"]
