"""The command: what it says of bad input, what it writes, and three rows with the committed checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evaluation import ablation_report
from evaluation.__main__ import app
from evaluation.assessed import Assessed, row_numbers
from evaluation.comparisons import compared, derived, targets
from evaluation.wordings import held_out_cases, measure_wordings

ROOT = Path(__file__).parents[2]


def asked(*arguments: object):
    return CliRunner().invoke(app, ["ablation", *map(str, arguments)])


def made_up(*successes: bool) -> list[Assessed]:
    return [Assessed((True,), (success,), 1, 1, 1, 1, ((success, success),)) for success in successes]


def test_bad_input_stops_with_one_line(tmp_path):
    toml = tmp_path / "a.toml"
    toml.write_text(f"generator = '{tmp_path / 'nowhere'}'")
    for arguments, line in (
        (["--checkpoints", tmp_path / "none.toml"], "there is no"),
        (["--checkpoints", toml, "--rows", "nonsense"], "no row is called nonsense"),
        (["--checkpoints", toml, "--rows", "oracle"], "all rows are left out"),
    ):
        result = asked(*arguments, "--out", tmp_path / "a.json")
        assert result.exit_code == 2
        assert line in result.stderr.splitlines()[-1]
    assert not (tmp_path / "a.json").exists()


def test_strict_refuses_to_leave_rows_out(tmp_path):
    (tmp_path / "model_index.json").touch()
    toml = tmp_path / "a.toml"
    toml.write_text(f"generator = '{tmp_path}'")
    result = asked("--checkpoints", toml, "--rows", "oracle,planner_only", "--strict", "--out", tmp_path / "a.json")
    assert result.exit_code == 2
    assert "left out: planner_only: no directory is given for planner" in result.stderr


def test_the_report_of_made_up_rows(tmp_path):
    documents = {"planner_only": made_up(True, False, False), "critic_rl": made_up(True, True, False)}
    successes = {name: [document.success for document in made] for name, made in documents.items()}
    comparisons, figures = compared(successes), derived(successes, 0)
    result = {
        "rows": [{"row": name} | row_numbers(made, 0) for name, made in documents.items()],
        "comparisons": comparisons,
        "derived": figures,
        "targets": targets(comparisons, figures),
        "wordings": {"generator": measure_wordings(held_out_cases(4, 0), lambda attempts: [True] * len(attempts))},
        "left_out": [{"row": "oracle", "reason": "no directory is given for generator"}],
        "n": 3,
    }
    ablation_report.write(result, tmp_path / "deep" / "a.json")
    read = json.loads((tmp_path / "deep" / "a.json").read_text())
    assert read["rows"][0]["row"] == "planner_only"
    assert read["rows"][0]["document_success"] == {"value": 0.3333, "low": 0.0615, "high": 0.7923, "n": 3}
    assert read["comparisons"][0]["difference"]["value"] == 0.3333
    assert (tmp_path / "deep" / "a.png").stat().st_size > 10_000
    lines = list(ablation_report.table(result))
    assert any(line.startswith("critic_rl") and "66.7 [20.8, " in line for line in lines)
    assert "oracle        left out: no directory is given for generator" in lines
    assert any("not measured" in line and "closes 60%" in line for line in lines)


@pytest.mark.slow
def test_three_rows_with_the_committed_checkpoints(tmp_path):
    toml = tmp_path / "a.toml"
    places = {"generator": "generator", "planner": "planner", "critic_rl": "critic"}
    toml.write_text("".join(f"{key} = '{ROOT}/checkpoints/smallworld/{name}'\n" for key, name in places.items()))
    out = tmp_path / "a.json"
    result = asked(
        "--checkpoints", toml, "--rows", "planner_only,tmax_1,oracle", "--n", 4, "--no-wordings", "--out", out
    )
    assert result.exit_code == 0, result.output
    read = json.loads(out.read_text())
    rows = {row["row"]: row for row in read["rows"]}
    assert list(rows) == ["planner_only", "tmax_1", "oracle"]
    assert rows["tmax_1"]["image"] == rows["planner_only"]["image"]  # one attempt: the critic changes nothing
    assert rows["tmax_1"]["draws_per_document"] == rows["planner_only"]["draws_per_document"] > 1
    assert rows["oracle"]["text"]["value"] == 1.0
    assert rows["oracle"]["document_success"]["n"] == read["n"] == 4
    assert set(read["checkpoints"]) == {"generator", "planner", "critic_rl"}
    assert read["left_out"] == []
