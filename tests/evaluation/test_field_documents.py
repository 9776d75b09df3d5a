"""CoMM and OpenING: documents that are completed, and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.field_house import Service, judging, paint, put, report, run, values

SAID = {"style": 8, "entity": 6, "trend": 10, "overall_consistency": 7, "completeness": 4, "quality": 9}


def comm_rule(words: str, pictures: int) -> dict[str, Any]:
    if "Say for each" in words:
        return {"pictures": [f"imagined {at}" for at in range(words.count("[picture ") - 1)]}
    if "there is a description" in words:
        return {"match": 5}
    if "was given the pictures" in words:
        return {"completeness": 8, "match": 6}
    return SAID | {"trend": None if "alone task2" in words else 10}


def comm_data(home: Path) -> Path:
    told = {
        "7_task1": (
            "Pictures about gardens: (1) <IMAGE> (2) <IMAGE> Can you generate text?",
            ["input_1.jpg", "input_2.jpg"],
        ),
        "8_task2": ("alone task2: (1) a hill (2) a snowman. Can you generate images?", []),
        "9_task3": ("Steps about gardens: (1) dig <IMAGE>(2) sow <IMAGE> the rest?", ["input_1.jpg", "input_2.jpg"]),
        "10_task4": ("Can you generate instructions with images about gardens?", []),
    }
    for name, (prompt, images) in told.items():
        for image in images:
            paint(home / name / image)
        row = {"model_input": prompt, "model_output": "", "input_image_list": images, "output_gt_image_list": []}
        put(home / name / "results.json", row | {"prediction_image_list": []})
    return home


def test_comm_by_hand(tmp_path: Path):
    source, out = comm_data(tmp_path / "comm"), tmp_path / "out"
    with Service(tmp_path).serving() as service, judging(comm_rule) as (judge, named):
        told = run("comm", source, service, out, *named, "--rows", "planner_only")
        assert told.exit_code == 0, told.output
    found = values(out, "planner_only")
    assert (found["style"], found["entity"], found["quality"]) == (8, 6, 9)
    assert found["trend"] == 6.6667  # 0 where the judge gave none: (0 + 10 + 10) / 3
    assert found["completeness"] == 5.3333  # task 2 has none: (8 + 4 + 4) / 3
    assert found["match"] == 5.25  # (6 + 5 + 5 + 5) / 4
    assert found["mean_of_scores"] == 6.7083
    assert found["task3"] == 7.0  # (8 + 6 + 10 + 4 + 9 + 5) / 6
    assert found["overall_consistency"] == 7  # told, not in the mean
    assert len(judge.asked) == 1 + 3 * 3
    imagining = [pictures for words, pictures in judge.asked if "Say for each" in words]
    assert imagining == [0, 0, 0]  # from the texts alone
    home = out / "official" / "planner_only"
    made = json.loads((home / "9_task3" / "results.json").read_text())
    assert made["model_output"] == "(3) Now a hill <IMAGE> (4) Now a snowman <IMAGE>"
    assert made["prediction_image_list"] == ["predict_3.jpg", "predict_4.jpg"]
    assert (home / "9_task3" / "predict_4.jpg").is_file()
    assert (home / "9_task3" / "input_2.jpg").is_file()
    assert json.loads((home / "8_task2" / "results.json").read_text())["model_output"] == "(1) <IMAGE> (2) <IMAGE>"
    assert json.loads((home / "7_task1" / "results.json").read_text())["prediction_image_list"] == []


def row(uid: str, text: str, image: str | None = None) -> dict[str, Any]:
    asked = [{"image": image, "text": f"<BEGIN> {text}{' <image>' if image else ''}"}]
    answer = [{"image": "./images/x/1-o-1.jpg", "text": "gold <image>"}]
    return {
        "total_uid": uid, "meta_task_id": "15", "meta_task_name": "Multimodal Brainstorming", "subtask_id": "2",
        "subtask_name": "Academic Scenarios", "data_id": "46", "conversations": [{"input": asked}, {"output": answer}],
    }  # fmt: skip


def opening_data(home: Path) -> Path:
    home.mkdir()
    paint(home / "images/x/46-i-1.jpg")
    rows = [row("1502046", "Draw it on.", "./images/x/46-i-1.jpg"), row("1502010", "Draw a hill.")]
    (home / "test_data.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    rival = row("1502046", "Draw it on.") | {"data_id": "46"}
    rival["conversations"][1] = {"output": [{"text": "the rival's text", "image": "1502046-o-0.jpg"}]}
    put(home / "SEED-X_output" / "1502046.json", rival)
    paint(home / "SEED-X_output" / "1502046-o-0.jpg")
    return home / "test_data.jsonl"


def opening_rule(words: str, _: int) -> dict[str, str]:
    """Against the rival: it loses. Else: the answer with words is better, by a tie at the second question."""
    a, b = words.split("Answer A:")[1].split("Answer B:")
    better = "A" if "Now" in a and ("Now" not in b) else "B"
    return {"winner": f"tie {better}" if "Draw a hill" in words else better}


def test_opening_by_hand(tmp_path: Path):
    source, out = opening_data(tmp_path / "opening"), tmp_path / "out"
    rows = ("--rows", "generator_alone,planner_only", "--against", str(source.parent / "SEED-X_output"))
    with Service(tmp_path).serving() as service, judging(opening_rule) as (judge, named):
        told = run("opening", source, service, out, *named, *rows)
        assert told.exit_code == 0, told.output
        assert len(judge.asked) == 4  # two questions between the rows, one of each row against the rival
        run("opening", source, service, out, *named, *rows, "--resume")
        assert len(judge.asked) == 4
    found = values(out, "planner_only")
    assert found["win_rate_ties_forced"] == 1.0  # 2 wins and a tie
    assert found["win_rate_without_ties"] == 1.0
    assert found["win_rate_ties_as_zero"] == 0.6667
    assert found["win_rate_ties_as_half"] == 0.8333
    assert values(out, "generator_alone")["win_rate_against_planner_only"] == 0
    assert report(out)["rows"]["planner_only"]["win_rate_ties_forced"]["n"] == 3
    made = json.loads((out / "official" / "planner_only_output" / "1502046.json").read_text())
    assert made["conversations"][0] == row("1502046", "Draw it on.", "./images/x/46-i-1.jpg")["conversations"][0]
    told = made["conversations"][1]["output"]
    assert [part["image"] for part in told] == ["1502046-o-0.jpg", "1502046-o-1.jpg"]
    assert (out / "official" / "planner_only_output" / "1502046-o-1.jpg").is_file()
    assert all(job.references for job in service.generator.asked if "Draw it on." in job.prompt)


def test_bad_input_gets_one_line(tmp_path: Path):
    odd = put(tmp_path / "odd" / "gardens" / "results.json", {}).parent.parent
    short = comm_data(tmp_path / "comm")
    text = (short / "9_task3" / "results.json").read_text()
    (short / "9_task3" / "results.json").write_text(text.replace("the rest", "<IMAGE> the rest"))
    source = opening_data(tmp_path / "opening")
    (tmp_path / "bare").mkdir()
    bare = put(tmp_path / "bare" / "x.json", [{"total_uid": "1", "conversations": []}])
    cases: list[tuple[str, Path, tuple[str, ...], str]] = [
        ("comm", odd, (), "must be called <data id>_task1"),
        ("comm", short, (), "more <IMAGE> than input_image_list has pictures"),
        ("comm", bare, (), "must be a folder of folders"),
        ("opening", bare, (), "conversations[0] must have a list 'input'"),
        ("opening", source, ("--against", str(tmp_path)), "called <model>_output"),
        ("opening", tmp_path / "none", (), "is not there"),
    ]
    for bench, path, more, said in cases:
        told = run(bench, path, "http://127.0.0.1:9", tmp_path / "out", *more)
        assert told.exit_code == 2
        assert said in told.output
        assert len(told.output.strip().splitlines()) == 1


@pytest.mark.parametrize("reply", ["Tie(A)", "tie a", "neither"])
def test_opening_reads_no_more_than_it_was_told(reply: str, tmp_path: Path):
    source, out = opening_data(tmp_path / "opening"), tmp_path / "out"
    with Service(tmp_path).serving() as service, judging(lambda *_: {"winner": reply}) as (_, named):
        run("opening", source, service, out, *named, "--rows", "generator_alone,planner_only")
    assert (report(out)["unreadable"]["planner_only"] == 0) is (reply == "Tie(A)")
