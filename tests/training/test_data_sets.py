"""The small world's sets from end to end: drawn by a generator that is sometimes wrong, split, written, read, shown."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from interleavethinker.errors import BadRequest, BadSettings
from interleavethinker.types import Outcome, Plan, Step, Verdict
from training.data import commands, synthesize
from training.data.cards import SETS, Card, Counts, read_card, write_card
from training.data.check import check
from training.data.choose import choose, copied, without_pictures
from training.data.inspect import sheet
from training.data.recipe import HOME, DataRecipe, Making, Sizes, SmallWorld, read_recipe
from training.data.sets import claim, critic_sets, write_set
from training.data.store import read_examples, write_attempts, write_examples
from training.data.synthesize import encoded, planner_example, small_world
from training.data.tellings import tellings
from training.data.values import AttemptRecord, CriticExample, PlannerExample, RlExample
from training.judge import Scores

RIGHT, WRONG = Scores(semantics=10, quality=10, success=True), Scores(semantics=5, quality=10, success=False)
ACCEPT = Verdict(outcome=Outcome.ACCEPT, reasoning="fine", confidence=0.9)
PNG = encoded(np.zeros((16, 16, 3), np.uint8))


def attempt(document: str, number: int, scores: Scores, *, step: int = 1, after: bytes = PNG) -> AttemptRecord:
    revise = Verdict(outcome=Outcome.REVISE, refined_prompt="again", reasoning="no")
    verdict = ACCEPT if scores.success else revise
    prompt = "a night scene with a red sun at a1"
    return AttemptRecord(document, step, number, prompt, prompt, None, after, 7, "weak", scores, verdict)


def documents(count: int) -> list[AttemptRecord]:
    """Each has a step that succeeds at once and one that takes two attempts."""
    records: list[AttemptRecord] = []
    for n in range(count):
        records += [
            attempt(f"0-{n}", 1, RIGHT),
            attempt(f"0-{n}", 1, WRONG, step=2),
            attempt(f"0-{n}", 2, RIGHT, step=2),
        ]
    return records


def recipe(**sizes: int) -> DataRecipe:
    return DataRecipe(sizes={"small": Sizes(**sizes)}, making=Making(shard=4, rows_per_file=4))


def test_the_recipes_that_ship_are_read_and_name_the_papers_size():
    for path in HOME.glob("data.*.toml"):
        assert read_recipe(path).sizes["paper"] == Sizes(planner=80_000, critic=112_000, rl=13_000)


def test_a_recipe_with_a_mistake_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "r.toml").write_text("[sizes.small]\nplaner = 3\n")
    with pytest.raises(BadSettings, match=r"sizes\.small") as refused:
        read_recipe(tmp_path / "r.toml")
    assert "\n" not in refused.value.detail


def test_steps_never_go_into_both_sets_and_both_are_balanced(tmp_path: Path):
    write_attempts(tmp_path / "00000.parquet", documents(20))
    chosen = choose(list(without_pictures([tmp_path / "00000.parquet"])), Sizes(planner=0, critic=8, rl=4), Making(), 0)
    assert (len(chosen.critic), len(chosen.rl)) == (8, 4)
    taken = {
        kind: list(copied([tmp_path / "00000.parquet"], places))
        for kind, places in (("critic", chosen.critic), ("rl", chosen.rl))
    }
    steps = {kind: {(r.document, r.step) for r in records} for kind, records in taken.items()}
    assert not steps["critic"] & steps["rl"]
    assert [sum(r.scores.success for r in records) for records in taken.values()] == [4, 2]
    assert all(record.after == PNG for records in taken.values() for record in records)


def test_planner_rows_are_a_function_of_their_number_and_resume(tmp_path: Path):
    made = recipe(planner=10, critic=0, rl=0).model_copy(update={"smallworld": SmallWorld(generators=("none",))})
    (card,) = small_world(tmp_path, made, made.sizes["small"], lambda line: None)
    assert card.rows == 10 and sum(card.counts["task"].values()) == 10 and len(card.files) == 3
    shard = tmp_path / "work" / "planner" / "00001.parquet"
    shard.unlink()  # as if killed before it was there
    (again,) = small_world(tmp_path, made, made.sizes["small"], lambda line: None)
    assert again == card
    rows = list(read_examples(tmp_path / card.name, "planner"))
    assert rows == [planner_example(0, number) for number in range(10)]
    with pytest.raises(BadRequest, match="begun with another sizes"):
        small_world(tmp_path, made, Sizes(planner=11, critic=0, rl=0), lambda line: None)


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """All three sets of a world whose attempts are on disk already."""
    made = recipe(planner=6, critic=8, rl=4)
    write_attempts(tmp_path / "attempts.parquet", documents(20))
    files = [tmp_path / "attempts.parquet"]
    chosen = choose(list(without_pictures(files)), made.sizes["small"], made.making, 0)
    out = tmp_path / "sets"
    claim(out, {"world": "smallworld", "seed": 0})

    def card(kind, rows):
        return Card(name=SETS[kind], kind=kind, world="smallworld", rows=rows, counts={}, seed=0,
                               licence="Apache-2.0")  # fmt: skip

    counts = Counts()
    write_set(out, "planner", map(planner_example, [0] * 6, range(6)), lambda n: card("planner", n),
                         per_file=4, counted=counts)  # fmt: skip
    critic_sets(out, files, chosen, card, facts=synthesize.facts, per_file=3)
    return out


def test_datasets_loads_them_with_their_pictures(sets: Path, tmp_path: Path):
    for name, column in (("Interleave-Critic-SFT", "after"), ("Interleave-Critic-RL", "after")):
        loaded = datasets.load_dataset(str(sets / name), cache_dir=str(tmp_path / "cache"))["train"]
        assert isinstance(loaded.features[column], datasets.Image)
        assert isinstance(loaded[0][column], Image.Image) and loaded[0]["before"] is None
    planner = datasets.load_dataset(str(sets / "Interleave-Planner-SFT"), cache_dir=str(tmp_path / "cache"))["train"]
    assert isinstance(planner.features["images"].feature, datasets.Image)
    assert len(planner) == 6


def test_the_parquet_builder_loads_a_file_with_the_cards_features(sets: Path, tmp_path: Path):
    file = sets / "Interleave-Critic-RL" / "00000.parquet"
    columns = datasets.Features(
        {"prompt": datasets.Value("string"), "last_prompt": datasets.Value("string"), "before": datasets.Image(),
         "after": datasets.Image(), "scores": datasets.Value("string"), "seed": datasets.Value("int64"),
         "source": datasets.Value("string")}
    )  # fmt: skip
    loaded = datasets.load_dataset(
        "parquet", data_files=str(file), features=columns, cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert json.loads(loaded[0]["scores"])["quality"] == 10


def test_the_card_counts_what_is_there(sets: Path):
    card = read_card(sets / "Interleave-Critic-SFT")
    assert card.counts["outcome"] == {"accept": 4, "revise": 4} and card.counts["generator"] == {"weak": 8}
    assert card.counts["category"] == {"paint": 8} and card.counts["style"] == {"plain": 8}
    assert "license: apache-2.0" in (sets / card.name / "README.md").read_text()
    rows = list(read_examples(sets / card.name, "critic"))
    assert all(isinstance(row, CriticExample) and row.verdict.confidence is None for row in rows)


def test_a_sound_set_is_found_sound(sets: Path):
    assert {kind: card.rows for kind, card in check(sets, "compact").items()} == {"planner": 6, "critic": 8, "rl": 4}


@pytest.mark.parametrize("named", ["standard", "no such pack"])
def test_the_pack_is_looked_for_first(sets: Path, named: str):
    if named == "standard":
        check(sets, named)
    else:
        with pytest.raises(BadSettings, match="there is no prompt pack"):
            check(sets, named)


PLAN = Plan(steps=(Step(index=1, name="s", prompt="p"),))
BROKEN = [
    pytest.param("planner", PlannerExample(" ", (), PLAN), "the prompt is empty", id="empty prompt"),
    pytest.param("planner", PlannerExample("<image> go on", (), PLAN), "1 <image> markers, but 0", id="markers"),
    pytest.param("planner", PlannerExample("<image> go on", (b"x",), PLAN), "cannot be read", id="no picture"),
    pytest.param("critic", CriticExample("p", "p", None, PNG[:40], ACCEPT), "cannot be read", id="cut picture"),
    pytest.param("rl", RlExample("p", "", None, PNG, RIGHT), "the last prompt is empty", id="no last prompt"),
]


@pytest.mark.parametrize(("kind", "row", "said"), BROKEN)
def test_a_broken_row_is_named_in_one_line(tmp_path: Path, kind, row, said: str):
    directory = tmp_path / "set"
    write_examples(directory / "00000.parquet", [row], kind)
    card = Card(name="x", kind=kind, world="w", rows=1, counts={}, seed=0, licence="MIT")
    write_card(directory, card)
    with pytest.raises(BadRequest, match=said) as refused:
        check(directory)
    assert "row 0" in refused.value.detail and "\n" not in refused.value.detail


def test_missing_and_changed_files_are_told(sets: Path, tmp_path: Path):
    with pytest.raises(BadRequest, match="there is no data set at"):
        check(tmp_path / "nowhere")
    file = sets / "Interleave-Critic-RL" / "00000.parquet"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(BadRequest, match="is not the file that was written"):
        check(sets)
    file.unlink()
    with pytest.raises(BadRequest, match="is missing"):
        check(sets)


def test_nothing_is_no_set(tmp_path: Path):
    with pytest.raises(BadRequest, match="would be empty"):
        write_set(tmp_path, "rl", [], lambda n: None, per_file=4, counted=Counts())
    assert not (tmp_path / "Interleave-Critic-RL").exists()


def test_the_sheet_holds_its_pictures_and_loads_nothing(sets: Path, tmp_path: Path):
    page = sheet(sets, tmp_path / "sheet.html", n=3).read_text()
    assert page.count("<article>") == 9 and "data:image/png;base64," in page
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


@pytest.mark.slow
def test_a_generator_draws_and_a_killed_synthesis_goes_on(tmp_path: Path):
    made = recipe(planner=4, critic=6, rl=2).model_copy(
        update={
            "making": Making(shard=8, rows_per_file=4, filtered=False),
            "smallworld": SmallWorld(generators=("checkpoints/smallworld/generator",)),
        }
    )
    sizes = made.sizes["small"]
    cards = small_world(tmp_path, made, sizes, lambda line: None)
    assert [card.rows for card in cards] == [4, 6, 2]
    assert check(tmp_path, "compact").keys() == {"planner", "critic", "rl"}
    shards = sorted((tmp_path / "work" / "attempts").glob("*"))
    attempts = [record for shard in shards for record in read_examples(shard, "attempts")]
    assert {record.scores.success for record in attempts} == {True, False}
    told = list(tellings(tmp_path))
    assert told and all(step.tries for each in told for step in each.steps)

    shards[-1].rename(shards[-1].with_name(shards[-1].name + ".new"))  # as a kill in the middle leaves it
    (tmp_path / "Interleave-Critic-RL" / "card.json").unlink()
    again = small_world(tmp_path, made, sizes, lambda line: None)
    assert [card.rows for card in again] == [4, 6, 2]
    assert again[0] == cards[0]
    assert [record.last_prompt for shard in shards for record in read_examples(shard, "attempts")] == [
        record.last_prompt for record in attempts
    ]


def test_the_commands(sets: Path, tmp_path: Path):
    app = Typer()
    commands.register(app)
    ran = CliRunner().invoke(app, ["validate", str(sets), "--pack", "compact"])
    assert ran.exit_code == 0 and "Interleave-Critic-SFT: 8 rows, sound" in ran.output
    ran = CliRunner().invoke(app, ["validate", str(tmp_path / "no")])
    assert ran.exit_code == 2 and "there is no data set" in ran.output
    ran = CliRunner().invoke(app, ["inspect", str(sets), "--n", "2"])
    assert ran.exit_code == 0 and (sets / "sheet.html").is_file()
    ran = CliRunner().invoke(app, ["synthesize", "--out", str(tmp_path / "o"), "--size", "huge"])
    assert ran.exit_code == 2 and "has no size 'huge'" in ran.output
    ran = CliRunner().invoke(app, ["synthesize", "--out", str(tmp_path / "o"), "--generator", str(tmp_path)])
    assert ran.exit_code == 2 and "is no diffusers pipeline" in ran.output
    for to, file in (("sharegpt", "dataset_info.json"), ("rl", "rl.jsonl")):
        ran = CliRunner().invoke(app, ["convert", str(sets), "--to", to, "--out", str(tmp_path / to)])
        assert ran.exit_code == 0 and (tmp_path / to / file).is_file(), ran.output


def test_other_generators_leave_the_rest_of_the_recipe_as_it_is():
    said = read_recipe(HOME / "data.cpu.toml").smallworld
    made, _ = commands._settings(
        "smallworld", "small", (None, None, None), None, [Path("one"), Path("two")], False, None
    )
    assert said and made.smallworld
    assert made.smallworld == said.model_copy(update={"generators": ("one", "two")})
    assert made.smallworld.painted > 0
