from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from PIL import Image

from interleavethinker.errors import BadRequest
from tests.evaluation.field_house import Service, judging, put, report, run, values

ROWS = [
    {"id": "1", "prompt": "How do I draw a snowman?", "task": "art", "question_type": "open",
     "text_rubrics": ["yes: names the hill", "no: names the sea"], "image_rubrics": ["yes: shows a hill"]},
    {"id": "2", "prompt": "How do I bake bread?", "task": "art", "question_type": "open",
     "text_rubrics": [], "image_rubrics": [{"criterion": "yes: shows bread"}, {"criterion": "maybe: it is warm"}]},
    {"id": "3", "prompt": "Where is Mars?", "task": "space", "question_type": "closed",
     "text_rubrics": ["yes: says where"], "image_rubrics": ["no: shows Mars"]},
]  # fmt: skip


def met(words: str, _: int) -> object:
    requirement = words.split("Requirement:\n")[1]
    return {"criteria_met": {"yes": True, "no": False, "may": "not sure"}[requirement.split(":")[0][:3]]}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return put(tmp_path / "ueval.json", ROWS)


def test_all_rows_by_hand(tmp_path: Path, source: Path):
    out = tmp_path / "out"
    with Service(tmp_path).serving() as service, judging(met) as (judge, named):
        told = run("ueval", source, service, out, *named, "--at-once", "2")
        assert told.exit_code == 0, told.output
    alone, planner, critic = (values(out, row) for row in ("generator_alone", "planner_only", "planner_critic"))
    assert planner["text"] == 0.75  # (1/2 + 1/1) / 2
    assert planner["image"] == 0.5  # (1 + 1/2 + 0) / 3
    assert planner["overall"] == 0.625
    assert planner["art"] == 0.625  # (1/2 + (1 + 1/2) / 2) / 2
    assert planner["space"] == 0.5
    assert planner["overall_of_tasks"] == 0.5625
    assert critic == planner
    assert (alone["text"], alone["image"], alone["overall"]) == (0, 0.5, 0.25)
    assert report(out)["rows"]["planner_only"]["overall"]["n"] == 3
    assert report(out)["differences"]["planner_only - generator_alone"]["overall"]["value"] == 0.375
    assert all(service.drawn.count(row["prompt"]) == 1 for row in ROWS)  # generator alone: the request itself, once
    assert service.drawn.count("a green hill") == 3  # only where the critic judges, once a document
    assert all("Written answer" not in words for words, pictures in judge.asked if "shows Mars" in words and pictures)
    assert "UEval" in told.output
    assert "0.625" in (out / "report.md").read_text()


def test_the_official_layout(tmp_path: Path, source: Path):
    out = tmp_path / "out"
    with Service(tmp_path).serving() as service:
        assert run("ueval", source, service, out, "--rows", "generator_alone,planner_only").exit_code == 0
    home = out / "official" / "planner_only"
    answers = json.loads((home / "outputs.json").read_text())
    assert [answer["id"] for answer in answers] == ["1", "2", "3"]
    assert answers[0]["text_answer"] == "Step 1: Now a hill\n\nStep 2: Now a snowman"
    assert len(answers[0]["image_answer"]) == 2
    assert all((home / name).is_file() for answer in answers for name in answer["image_answer"])
    alone = json.loads((out / "official" / "generator_alone" / "outputs.json").read_text())
    assert [(answer["text_answer"], len(answer["image_answer"])) for answer in alone] == [("", 1)] * 3
    assert report(out)["judge"] is None
    assert "Not judged" in (out / "report.md").read_text()
    assert Image.open(out / "contact.png").width > 500


def test_what_is_done_is_not_done_again(tmp_path: Path, source: Path):
    out = tmp_path / "out"
    with Service(tmp_path).serving() as service, judging(met) as (judge, named):
        run("ueval", source, service, out, *named, "--rows", "planner_only", "--limit", "2")
        assert report(out)["n"] == 2
        assert {item["task"] for item in ROWS if item["id"] in report(out)["items"]["planner_only"]} == {"art", "space"}
        asked, planned = len(judge.asked), service.planner.asked
        assert "earlier measurement" in run("ueval", source, service, out, *named).output
        again = run("ueval", source, service, out, *named, "--rows", "planner_only", "--limit", "2", "--resume")
        assert again.exit_code == 0, again.output
        assert (len(judge.asked), service.planner.asked) == (asked, planned)
        record = next((out / "answers" / "planner_only" / "records").glob("*.json"))
        record.unlink()  # as if it had been killed before the record was written: the run is found by its key
        run("ueval", source, service, out, *named, "--rows", "planner_only", "--limit", "2", "--resume")
        assert record.is_file()
        assert (len(judge.asked), service.planner.asked) == (asked, planned)
        run("ueval", source, service, out, *named, "--rows", "planner_only", "--resume")
        assert report(out)["n"] == 3
        assert service.planner.asked == planned + 1
        other = run("ueval", source, service, out, *named, "--seed", "1", "--resume")
        assert other.exit_code == 2
        assert "other settings: row" not in other.output
        assert "seed (was 0)" in other.output


def test_the_generator_alone_is_found_again_wherever_it_was_left(tmp_path: Path, source: Path):
    out = tmp_path / "out"
    row = ("--rows", "generator_alone", "--limit", "1")
    with Service(tmp_path).serving() as service:
        service.generator.gate = asyncio.Event()  # never set: the run is under way when the command is stopped
        assert run("ueval", source, service, out, *row, "--minutes", "0.01").exit_code == 0
        assert report(out)["runs"]["generator_alone"]["runs"] == {"not_asked": 1}
        service.generator.gate.set()
        assert run("ueval", source, service, out, *row, "--resume").exit_code == 0
        assert report(out)["runs"]["generator_alone"]["runs"] == {"succeeded": 1}
        assert service.planner.asked == 1
        next((out / "answers" / "generator_alone" / "records").glob("*.json")).unlink()
        run("ueval", source, service, out, *row, "--resume")
        assert report(out)["runs"]["generator_alone"]["runs"] == {"succeeded": 1}
        assert len(service.drawn) == 1


def test_what_failed_is_told_and_asked_again_on_demand(tmp_path: Path, source: Path):
    out = tmp_path / "out"
    with Service(tmp_path, broken=["a hill"]).serving() as service:
        told = run("ueval", source, service, out, "--rows", "planner_only")
        assert told.exit_code == 0, told.output
        assert "succeeded" not in report(out)["runs"]["planner_only"]["runs"]
        service.generator.broken = frozenset()
        run("ueval", source, service, out, "--rows", "planner_only", "--resume")
        assert "succeeded" not in report(out)["runs"]["planner_only"]["runs"]
        run("ueval", source, service, out, "--rows", "planner_only", "--resume", "--redo-failed")
        assert report(out)["runs"]["planner_only"]["runs"] == {"succeeded": 3}


def test_a_reply_that_cannot_be_read_is_asked_for_again_and_kept(tmp_path: Path, source: Path):
    out = tmp_path / "out"
    replies = iter(["I like it.", "No idea."])
    with Service(tmp_path).serving() as service:
        with judging(lambda words, pictures: next(replies, met(words, pictures))) as (_, named):
            run("ueval", source, service, out, *named, "--rows", "planner_only", "--limit", "1", "--at-once", "1")
        kept = [json.loads(path.read_text())["replies"] for path in (out / "judged").rglob("*.json")]
        assert max(map(len, kept)) > 1
        assert report(out)["unreadable"] == {"planner_only": 0}
        other = tmp_path / "other"
        with judging(lambda *_: "no") as (_, named):
            run("ueval", source, service, other, *named, "--rows", "planner_only", "--limit", "1")
        assert report(other)["unreadable"]["planner_only"] > 0


def test_nobody_there(tmp_path: Path, source: Path):
    told = run("ueval", source, "http://127.0.0.1:9", tmp_path / "out", "--rows", "planner_only")
    assert told.exit_code == 2
    assert "--resume" in told.output
    assert "Traceback" not in told.output


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        ("{", (), "is not JSON"),
        ("{}", (), "must hold a JSON list"),
        ("[]", (), "holds no question"),
        ('[{"id": "1", "prompt": "p"}]', (), "has no 'task'"),
        ('[{"id": "1", "prompt": "p", "task": "music"}]', (), "task 'music' is none of"),
        ('[{"id": "1", "prompt": "p", "task": "art", "text_rubrics": "x"}]', (), "must be a list of requirements"),
        ('[{"id": "1", "prompt": "p", "task": "art"}, {"id": 1, "prompt": "q", "task": "art"}]', (), "twice"),
        (json.dumps(ROWS), ("--rows", "planner"), "choose from generator_alone, planner_only, planner_critic"),
        (json.dumps(ROWS), ("--judge-url", "http://127.0.0.1:9/v1"), "go together"),
        (json.dumps(ROWS), ("--size", "big"), "1024x1024"),
        (json.dumps(ROWS), ("--critic", "off"), "neither quick nor strict"),
    ],
)
def test_bad_input_gets_one_line(tmp_path: Path, content: str, more: tuple[str, ...], said: str):
    source = tmp_path / "ueval.json"
    source.write_text(content)
    told = run("ueval", source, "http://127.0.0.1:9", tmp_path / "out", *more)
    assert told.exit_code == 2
    assert said in told.output
    assert len(told.output.strip().splitlines()) == 1


def test_the_hub_s_parquet(tmp_path: Path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from evaluation.field.ueval import UEval

    rows = [row | {"image_rubrics": ["yes"]} for row in ROWS]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "test-00000-of-00001.parquet")
    assert [item.id for item in UEval().read(tmp_path)] == ["1", "2", "3"]
    for name in ("odd.parquet", "odd.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe" * 20)
        with pytest.raises(BadRequest, match="is not"):
            UEval().read(tmp_path / name)
