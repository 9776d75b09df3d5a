"""WISE and RISEBench: single pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.field_house import Service, judging, paint, put, report, run, values

KNOWN = {1: "right", 401: "wrong", 521: "right", 641: "wrong", 761: "right", 881: "wrong"}


def wise(number: int, said: str) -> dict[str, Any]:
    return {
        "Prompt": f"prompt {number}", "Explanation": f"{said} {number}", "Category": "Culture",
        "Subcategory": "Festival", "prompt_id": number,
    }  # fmt: skip


def test_wise_verified_by_hand(tmp_path: Path):
    source, out = tmp_path / "data_verified", tmp_path / "out"
    put(source / "cultural_common_sense_verified.json", [wise(1, "right")])
    put(source / "rest_verified.json", [wise(number, said) for number, said in KNOWN.items() if number > 1])

    def rule(words: str, pictures: int) -> dict[str, int]:
        return {"score": int("Explanation: right" in words and pictures == 1)}

    with Service(tmp_path).serving() as service, judging(rule) as (judge, named):
        told = run("wise", source, service, out, *named, "--rows", "generator_alone,planner_only")
        assert told.exit_code == 0, told.output
    found = values(out, "planner_only")
    assert found["overall"] == 0.64  # 0.40 + 0.12 (space) + 0.12 (physics)
    assert found["mean"] == 0.5
    assert [found[name] for name in ("culture", "time", "space", "biology", "physics", "chemistry")] == [
        1,
        0,
        1,
        0,
        1,
        0,
    ]
    assert len(judge.asked) == 12
    assert {path.name for path in (out / "official" / "planner_only").iterdir()} == {f"{n}.png" for n in KNOWN}
    mean = report(out)["rows"]["planner_only"]["mean"]
    assert (round(mean["low"], 2), round(mean["high"], 2), mean["n"]) == (0.19, 0.81, 6)  # Wilson's


def test_wise_legacy_by_hand(tmp_path: Path):
    source, out = put(tmp_path / "all.json", [wise(567, "time"), wise(568, "space")]), tmp_path / "out"

    def rule(words: str, _: int) -> dict[str, int]:
        return {"consistency": 2 if "time 567" in words else 0, "realism": 1, "aesthetic_quality": 0}

    with Service(tmp_path).serving() as service, judging(rule) as (_, named):
        run("wise", source, service, out, *named, "--rows", "planner_only", "--protocol", "legacy")
    found = values(out, "planner_only")
    assert (found["time"], found["space"]) == (0.8, 0.1)  # (0.7 * 2 + 0.2) / 2 and 0.2 / 2
    assert found["mean"] == 0.45
    assert "overall" not in found  # four categories were not measured


def test_wise_picture_that_is_not_there_scores_nothing(tmp_path: Path):
    source, out = put(tmp_path / "all.json", [wise(1, "right")]), tmp_path / "out"
    with Service(tmp_path, None).serving() as service, judging(lambda *_: {"score": 1}) as (judge, named):
        run("wise", source, service, out, *named, "--rows", "planner_only")
    assert values(out, "planner_only")["culture"] == 0
    assert judge.asked == []


RISE = [
    {"index": "temporal_reasoning_1", "category": "temporal_reasoning", "subtask": "Life Progression",
     "instruction": "Show the apple in a month. R5", "image": "temporal_reasoning_images/1.png",
     "reference": "rotten"},
    {"index": "causal_reasoning_1", "category": "causal_reasoning", "subtask": "State Transition",
     "consistency_free": True, "instruction": "Drop the glass. R5",
     "image": "causal_reasoning_images/1.png", "reference": "shards"},
    {"index": "spatial_reasoning_1", "category": "spatial_reasoning", "subtask": "Component Assembly",
     "instruction": "Put it together. R1", "image": "spatial_reasoning_images/1.png", "reference": None,
     "reference_img": "spatial_reasoning_images/1_ref.png"},
    {"index": "logical_reasoning_1", "category": "logical_reasoning", "subtask": "Puzzle Solving",
     "instruction": "Solve it. R1", "image": "logical_reasoning_images/1.png", "reference_txt": "42"},
    {"index": "logical_reasoning_2", "category": "logical_reasoning", "subtask": "Puzzle Solving",
     "instruction": "Solve it. R0", "image": "logical_reasoning_images/1.png", "reference_txt": "43"},
]  # fmt: skip


def rise_rule(words: str, _: int) -> dict[str, int]:
    if "How right is the result" in words or "Is the solution" in words:
        return {"score": int(words.split(" R")[-1][0])}
    return {"score": 1 if "Are layout" in words else 5}


def test_rise_by_hand(tmp_path: Path):
    source, out = put(tmp_path / "data" / "data_total.json", RISE), tmp_path / "out"
    for row in RISE:
        paint(source.parent / row["image"])
    paint(source.parent / "spatial_reasoning_images/1_ref.png", "blue")
    with Service(tmp_path).serving() as service, judging(rise_rule) as (judge, named):
        told = run("rise", source, service, out, *named, "--rows", "generator_alone,planner_only", "--at-once", "1")
        assert told.exit_code == 0, told.output
    found = values(out, "planner_only")
    # temporal 5, 5, 5: 100. causal, no consistency: 0.8 * 5 + 0.2 * 5 = 5: 100. spatial 5, 1, 5: (1.5 + 0.5 + 1) / 2
    # = 1.5: 12.5. logical 5, 5: 100. logical 5, 1: (1.5 + 0.7) / 2 = 1.1: 2.5.
    assert found["score"] == 63.0
    assert found["score_logical_reasoning"] == 51.25
    assert found["accuracy"] == 0.4  # the official script never counts one without a consistency score
    assert found["accuracy_of_what_is_asked"] == 0.6
    assert found["reasoning"] == 60  # (5 + 5 + 1 + 5 + 1) / 5 = 3.4
    assert (out / "official/planner_only/images/causal_reasoning/causal_reasoning_1.png").is_file()
    assert len(judge.asked) == 2 * (3 + 2 + 3 + 2 + 2)
    assert all(
        job.references for job in service.generator.asked
    )  # an edit of the given picture, also by the generator alone
    assert RISE[0]["instruction"] in service.drawn


def test_rise_halves_no_lower_than_1():
    from evaluation.field.items import Item
    from evaluation.field.rise import _scored

    item = Item("1", "p", "temporal_reasoning")
    assert _scored(item, {"consistency": 1.0, "reasoning": 1.0, "plausibility": 1.0})["score"] == 0
    assert _scored(item, {"consistency": 1.0, "reasoning": None, "plausibility": 1.0})["score"] is None


@pytest.mark.parametrize(
    ("bench", "rows", "said"),
    [
        ("wise", [{"prompt_id": 1001, "Prompt": "p", "Explanation": "e"}], "not from 1 to 1000"),
        ("wise", [{"prompt_id": "1", "Prompt": "p", "Explanation": "e"}], "'prompt_id' is of the wrong type"),
        ("rise", [RISE[0] | {"category": "moral_reasoning"}], "category 'moral_reasoning' is none of"),
        ("rise", [RISE[0]], "names the picture temporal_reasoning_images/1.png, which is not under"),
        ("rise", [RISE[0] | {"reference": None}], "has no reference"),
    ],
)
def test_bad_input_gets_one_line(tmp_path: Path, bench: str, rows: list[dict[str, Any]], said: str):
    told = run(bench, put(tmp_path / "x.json", rows), "http://127.0.0.1:9", tmp_path / "out")
    assert told.exit_code == 2
    assert said in told.output
    assert len(told.output.strip().splitlines()) == 1
