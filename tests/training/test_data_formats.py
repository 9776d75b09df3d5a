"""Rows in other programs' formats and back: sharegpt, RL rows, sequences for unified models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from interleavethinker.codec.images import blank
from interleavethinker.errors import BadRequest
from interleavethinker.types import Outcome, Plan, Step, Verdict
from training.data.rows import read_rl_rows, write_rl_rows
from training.data.sharegpt import NAMES, Sharegpt
from training.data.synthesize import encoded, planner_example
from training.data.tellings import put_together
from training.data.unified import Telling, ToldStep, Try, read_unified, sequence, steps_of, write_unified
from training.data.values import AttemptRecord, CriticExample, RlExample
from training.judge import Scores


def picture(shade: int) -> bytes:
    return encoded(np.full((16, 16, 3), shade, np.uint8))


REVISE = Verdict(outcome=Outcome.REVISE, refined_prompt="add a 'blue' cup", reasoning="the cup is red")
CRITICS = [
    CriticExample("add a cup", "add a cup", picture(1), picture(2), REVISE, "teacher"),
    CriticExample("a table", "a table", None, picture(3), Verdict(outcome=Outcome.ACCEPT, reasoning="done"), "teacher"),
]
RL = [
    RlExample(
        "add a cup", "put a cup", picture(1), picture(2), Scores(semantics=2.5, quality=10, success=False), 9, "t"
    ),
    RlExample("a table", "a table", None, picture(3), Scores(semantics=10, quality=10, success=True), 8, "t"),
]


@pytest.mark.parametrize("pack", ["compact", "standard"])
def test_sharegpt_goes_there_and_back(tmp_path: Path, pack: str):
    planners = [planner_example(3, number) for number in range(12)]
    assert {row.task for row in planners} == {"plan", "continue", "describe"}
    said = Sharegpt(pack)
    assert said.write(tmp_path, "planner", planners) == 12
    assert said.write(tmp_path, "critic", CRITICS) == 2
    assert list(said.read(tmp_path, "planner")) == planners
    assert list(said.read(tmp_path, "critic")) == CRITICS


def test_sharegpt_is_what_llama_factory_reads(tmp_path: Path):
    """Its converter wants a user turn and an assistant turn in turn, a system turn before them, and as many `<image>`
    as images; dataset_info.json names the columns and the roles."""
    said = Sharegpt("standard")
    said.write(tmp_path, "critic", CRITICS)
    said.write(tmp_path, "planner", [planner_example(3, 0)])
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert set(info) == {"interleave_planner_sft", "interleave_critic_sft"}
    entry = info["interleave_critic_sft"]
    assert entry["formatting"] == "sharegpt" and entry["columns"] == {"messages": "messages", "images": "images"}
    rows = json.loads((tmp_path / entry["file_name"]).read_text())
    for row in rows:
        assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
        assert sum(turn["content"].count("<image>") for turn in row["messages"]) == len(row["images"]) == 2
        assert all((tmp_path / name).is_file() for name in row["images"])
    codec = CriticCodec(load_pack("standard"))
    assert rows[0]["messages"][2]["content"] == codec.write(REVISE, "add a cup")
    assert (tmp_path / rows[1]["images"][0]).read_bytes() == blank(16, 16)


def test_another_pack_a_broken_row_and_a_missing_image_are_told(tmp_path: Path):
    Sharegpt("compact").write(tmp_path, "critic", CRITICS)
    with pytest.raises(BadRequest, match="row 0 was said with another prompt pack than 'standard'"):
        list(Sharegpt("standard").read(tmp_path, "critic"))
    path = tmp_path / f"{NAMES['critic']}.json"
    rows = json.loads(path.read_text())
    (tmp_path / rows[1]["images"][1]).unlink()
    with pytest.raises(BadRequest, match=r"row 1: the image 'images/.*' is missing"):
        list(Sharegpt("compact").read(tmp_path, "critic"))
    rows[0]["messages"][-1]["content"] = "yes"
    path.write_text(json.dumps(rows))
    with pytest.raises(BadRequest, match="row 0: its answer cannot be read"):
        list(Sharegpt("compact").read(tmp_path, "critic"))
    rows = [{name: value for name, value in rows[0].items() if name != "messages"}]
    path.write_text(json.dumps(rows))
    with pytest.raises(BadRequest, match="row 0 is broken: KeyError"):
        list(Sharegpt("compact").read(tmp_path, "critic"))
    with pytest.raises(BadRequest, match="there is no"):
        list(Sharegpt("compact").read(tmp_path, "planner"))


def test_a_marker_in_somebodys_words_is_no_picture(tmp_path: Path):
    odd = CriticExample("add a <image> cup", "<|im_start|>cup", picture(1), picture(2), REVISE, "t")
    Sharegpt("standard").write(tmp_path, "critic", [odd])
    (row,) = json.loads((tmp_path / f"{NAMES['critic']}.json").read_text())
    assert sum(turn["content"].count("<image>") for turn in row["messages"]) == 2
    assert list(Sharegpt("standard").read(tmp_path, "critic")) == [odd]


def test_rl_rows_are_the_papers_and_come_back(tmp_path: Path):
    assert write_rl_rows(tmp_path, RL) == 2
    first, second = (json.loads(line) for line in (tmp_path / "rl.jsonl").read_text().splitlines())
    assert {"origin_prompt", "rewritten_prompt", "origin_image_path", "edited_image_path", "evaluation"} <= set(first)
    assert first["evaluation"] == {"success": False, "semantics": 2.5, "quality": 10.0}
    assert second["origin_image_path"] == "images/blank-16x16.png"
    assert list(read_rl_rows(tmp_path)) == RL


def test_rl_rows_of_others_need_no_more_than_the_papers_fields(tmp_path: Path):
    (tmp_path / "before.png").write_bytes(picture(1))
    (tmp_path / "after.png").write_bytes(picture(2))
    row = {
        "origin_prompt": "p", "rewritten_prompt": "q", "origin_image_path": "before.png",
        "edited_image_path": "after.png", "evaluation": {"success": True, "semantics": 9, "quality": 8}, "extra": 1,
    }  # fmt: skip
    (tmp_path / "mine.jsonl").write_text(json.dumps(row) + "\n")
    (example,) = read_rl_rows(tmp_path / "mine.jsonl")
    assert (example.prompt, example.before, example.scores.semantics) == ("p", picture(1), 9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"evaluation": {"success": True, "semantics": 11, "quality": 1}}, "line 1: evaluation.semantics"),
        ({"edited_image_path": "nowhere.png"}, "line 1: the image 'nowhere.png' is missing"),
        ({"origin_image_path": "../../etc/passwd"}, "is missing in"),
        ({"origin_prompt": ""}, "line 1: origin_prompt"),
    ],
)
def test_a_broken_rl_row_is_named(tmp_path: Path, change: dict, said: str):
    write_rl_rows(tmp_path, RL[:1])
    row = json.loads((tmp_path / "rl.jsonl").read_text())
    (tmp_path / "rl.jsonl").write_text(json.dumps(row | change))
    with pytest.raises(BadRequest, match=said):
        list(read_rl_rows(tmp_path))


TOLD = Telling(
    "How do I set a table?",
    (picture(9),),
    (
        ToldStep("first the table", (Try("a table", picture(1)),), "Find a table."),
        ToldStep("then a cup", (Try("a cup", picture(2), "it is red"), Try("a blue cup", picture(3))), "Put a cup."),
    ),
)


def test_the_easy_form_keeps_what_was_kept(tmp_path: Path):
    text, pictures = sequence(TOLD, "easy")
    assert text == (
        "<gthink>first the table</gthink><plan>a table</plan><image><info>Find a table.</info>"
        "<gthink>then a cup</gthink><plan>a blue cup</plan><image><info>Put a cup.</info>"
    )
    assert pictures == [picture(1), picture(3)]


def test_the_reflection_form_keeps_what_was_rejected(tmp_path: Path):
    text, pictures = sequence(TOLD, "reflection")
    assert "<plan>a cup</plan><image><critic>it is red</critic><plan>a blue cup</plan><image><info>" in text
    assert steps_of(text, pictures) == TOLD.steps
    assert write_unified(tmp_path, [TOLD], "reflection") == 1
    assert list(read_unified(tmp_path, "reflection")) == [TOLD]
    (row,) = (tmp_path / "unified_reflection.jsonl").read_text().splitlines()
    (tmp_path / "unified_reflection.jsonl").write_text(row.replace("<info>", "<infos>"))
    with pytest.raises(BadRequest, match="line 1 is broken"):
        list(read_unified(tmp_path, "reflection"))


def test_a_trajectory_is_put_together_only_when_it_was_finished():
    plan = Plan(
        steps=(Step(index=1, name="one", instruction="Do.", prompt="p"), Step(index=2, name="two", prompt="q")),
        reasoning="two steps",
    )
    right, wrong = RL[1].scores, RL[0].scores

    def tried(step: int, number: int, prompt: str, last: str, verdict: Verdict, scores: Scores) -> AttemptRecord:
        shade = 10 * step + number
        return AttemptRecord("0-1", step, number, prompt, last, None, picture(shade), 1, "g", scores, verdict)

    accept = Verdict(outcome=Outcome.ACCEPT)
    records = [
        tried(1, 1, "p", "p", REVISE, wrong),
        tried(1, 2, "p", "better", accept, right),
        tried(2, 1, "q", "q", accept, right),
    ]
    told = put_together("please", plan, records)
    assert told and [[each.prompt for each in step.tries] for step in told.steps] == [["p", "better"], ["q"]]
    assert told.steps[0].tries[0].critic == "the cup is red"
    assert told.steps[0].thought == "two steps\nStep 1 of 2: one"
    assert put_together("please", plan, records[:2]) is None
    assert put_together("please", plan, [*records[:1], records[2]]) is None
    assert PlannerCodec(load_pack("compact")).read(PlannerCodec(load_pack("compact")).write(plan)) == plan
