"""Which rows there are, and which are left out when a checkpoint is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.rows import CHECKPOINTS, ROWS, chosen_rows, read_checkpoints, split_rows
from interleavethinker.errors import BadRequest

ROOT = Path(__file__).parents[2]


def test_the_table_has_the_rows_that_were_asked_for():
    names = [row.name for row in ROWS]
    assert names[:15] == [
        "generator_alone",
        "planner_only",
        "critic_sft",
        "critic_rl",
        "rl_no_step_reward",
        "rl_no_accuracy_reward",
        "one_agent",
        "tmax_1",
        "tmax_3",
        "tmax_5",
        "unfiltered",
        "reseed_only",
        "reseed_only_sft",
        "oracle",
        "oracle_critic",
    ]
    transferred = ("planner_only", "critic_sft", "critic_rl", "reseed_only", "oracle")
    assert names[15:] == [f"transfer_{name}" for name in transferred]
    assert all(row.generator == "second_generator" for row in ROWS[15:])


def test_only_rows_that_say_the_same_are_the_same_runs():
    by_name = {row.name: row.runs for row in ROWS}
    assert by_name["tmax_5"] == by_name["critic_rl"]
    assert len(set(by_name.values())) == len(ROWS) - 1


def test_what_a_row_needs():
    needs = {row.name: row.needs for row in ROWS}
    assert needs["generator_alone"] == ("generator",)
    assert needs["oracle"] == ("generator",)
    assert needs["oracle_critic"] == needs["planner_only"] == ("generator", "planner")
    assert needs["one_agent"] == ("generator", "one_agent")
    assert needs["transfer_critic_rl"] == ("second_generator", "planner", "critic_rl")


def test_the_committed_toml_names_every_checkpoint():
    assert set(read_checkpoints(ROOT / "evaluation" / "ablation.toml")) == set(CHECKPOINTS)


def test_rows_are_left_out_with_the_reason(tmp_path):
    for name, file in (("generator", "model_index.json"), ("planner", "config.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    checkpoints = {name: tmp_path / name for name in ("generator", "planner", "critic_sft")}
    rows, left_out = split_rows(chosen_rows(["planner_only", "critic_rl", "critic_sft", "oracle"]), checkpoints)
    assert [row.name for row in rows] == ["planner_only", "oracle"]
    assert [entry["row"] for entry in left_out] == ["critic_sft", "critic_rl"]
    assert left_out[0]["reason"] == f"critic_sft is not at {tmp_path / 'critic_sft'} (no config.json)"
    assert left_out[1]["reason"] == "no directory is given for critic_rl"


def test_bad_input_gives_one_clear_line(tmp_path):
    with pytest.raises(BadRequest, match="no row is called critic: choose from generator_alone, "):
        chosen_rows(["critic"])
    toml = tmp_path / "a.toml"
    with pytest.raises(BadRequest, match="there is no "):
        read_checkpoints(toml)
    for text, line in (
        ("planner = ", "is not TOML"),
        ("planer = 'x'", "unknown planer; the keys are planner, "),
        ("planner = 3", "planner must be a directory in quotes"),
    ):
        toml.write_text(text)
        with pytest.raises(BadRequest, match=line):
            read_checkpoints(toml)


def test_every_checkpoint_of_the_table_is_made_by_a_written_command():
    made = (ROOT / "Makefile").read_text() + (ROOT / "docs" / "training.md").read_text()
    for name, directory in read_checkpoints(ROOT / "evaluation" / "ablation.toml").items():
        place = str(directory).removesuffix("/model")
        if place in ("checkpoints/smallworld/planner", "checkpoints/smallworld/generator"):
            assert f"training export {directory.name}" in made, name
        elif place.startswith("var/train/"):
            assert f"training {place.removeprefix('var/train/').replace('_', '-')}" in made, name
        else:
            assert place in made, name
