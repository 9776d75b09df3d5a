"""Fine-tuning from data on disk: what is learned is what is served, a run resumes, its result can be served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import Qwen3VLForConditionalGeneration

from interleavethinker.chat.local import LocalChat
from interleavethinker.chat.qwen import QwenInputs
from interleavethinker.checkpoint import check_files, read_manifest
from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from interleavethinker.codec.images import blank
from interleavethinker.errors import BadCheckpoint, BadRequest, BadSettings, Conflict
from interleavethinker.types import Outcome, Verdict
from tests import tiny
from tests.training.sets import critic_examples, planner_examples, png, tiny_recipe, write_sets
from training.data.store import write_examples
from training.data.values import CriticExample
from training.examples import Collator, ExampleSet, Rows
from training.exporting import export_run
from training.finetune import finetune
from training.preflight import half_precision, preflight
from training.tracking import check_reporting


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    return tiny.build(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_sets(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def rows(base) -> Rows:
    return Rows(QwenInputs.load(base), load_pack("compact"))


@pytest.fixture(scope="module")
def straight(base, data, tmp_path_factory) -> Path:
    """A finished run of four steps, with a held-out set."""
    out = tmp_path_factory.mktemp("runs") / "critic"
    finetune(tiny_recipe(base, data, held_out=data, eval_every=2), out)
    return out


def losses(out: Path) -> dict[int, float]:
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in logged if "loss" in row}


def test_rows_are_the_served_tokens(rows):
    critic, planner = CriticCodec(rows.pack), PlannerCodec(rows.pack)
    first = critic_examples()[0]
    messages = critic.messages(first.prompt, first.last_prompt, blank(64, 64), first.after)
    wanted = rows.inputs.example(messages, critic.write(first.verdict, first.last_prompt))
    made = rows.row(first)
    assert made.keys() == wanted.keys()
    assert all(torch.equal(made[name], wanted[name]) for name in wanted)
    plan = planner_examples()[0]
    answer = rows.inputs.tokens(planner.write(plan.plan))
    labels = rows.row(plan)["labels"][0]
    assert labels[labels != -100].tolist() == [*answer, rows.inputs.tokenizer.eos_token_id]


def test_a_set_is_found_counted_and_read_by_number(data, tmp_path):
    critic = ExampleSet(data, "critic")
    assert len(critic) == 12
    assert critic[7] == critic_examples()[0]
    assert critic[-1] == critic_examples()[4]
    assert list(ExampleSet(data / "Interleave-Planner-SFT", "planner")) == planner_examples()
    with pytest.raises(BadRequest, match="no planner data set at"):
        ExampleSet(tmp_path, "planner")
    with pytest.raises(BadRequest, match="columns"):
        ExampleSet(data / "Interleave-Planner-SFT" / "00000.parquet", "critic")
    write_examples(tmp_path / "critic.parquet", [], "critic")
    with pytest.raises(BadRequest, match="holds no example"):
        ExampleSet(tmp_path, "critic")


def test_a_long_or_broken_example_is_stepped_over_and_said(rows, tmp_path, capsys):
    good, *_ = critic_examples()
    long = CriticExample("very " * 900, good.last_prompt, None, good.after, good.verdict)
    broken = CriticExample(good.prompt, good.last_prompt, None, b"no picture", good.verdict)
    write_examples(tmp_path / "critic.parquet", [long, broken, good], "critic")
    collator = Collator((ExampleSet(tmp_path, "critic"),), rows, max_tokens=400)
    batch = collator([{"of": 0, "number": 0}])
    assert torch.equal(batch["input_ids"], rows.row(good)["input_ids"])
    said = capsys.readouterr().err
    assert "example 0 of" in said
    assert "max_tokens is 400" in said
    assert "example 1 of" in said


def test_a_picture_after_the_end_changes_nothing_that_is_learned(base, rows):
    model = Qwen3VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32)
    row = rows.row(planner_examples()[0])
    assert "pixel_values" not in row
    shown = rows.with_picture(row)
    assert torch.equal(shown["labels"][:, : row["labels"].shape[1]], row["labels"])
    with torch.no_grad():
        assert model(**shown).loss.item() == pytest.approx(model(**row).loss.item(), abs=1e-5)


def test_a_run_leaves_a_model_its_curve_and_what_it_was_made_of(straight, base):
    assert {path.name for path in straight.iterdir()} == {
        "model", "run", "loss.png", "log.jsonl", "recipe.json", "run.json"
    }  # fmt: skip
    before = Qwen3VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32).state_dict()
    after = Qwen3VLForConditionalGeneration.from_pretrained(straight / "model", dtype=torch.float32).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not [name for name in changed if ".visual." in name]
    logged = [json.loads(line) for line in (straight / "log.jsonl").read_text().splitlines()]
    held_out = [row["eval_loss"] for row in logged if "eval_loss" in row]
    assert len(held_out) == 3
    assert held_out[-1] < held_out[0]
    assert all(0 <= row["eval_token_accuracy"] <= 1 for row in logged if "eval_loss" in row)


def test_a_resumed_run_has_the_same_curve(straight, base, data, tmp_path):
    out = tmp_path / "resumed"
    shutil.copytree(straight, out, ignore=shutil.ignore_patterns("model", "checkpoint-4"))
    finetune(tiny_recipe(base, data, held_out=data, eval_every=2), out)
    assert losses(out).keys() == {1, 2, 3, 4}
    assert losses(out) == pytest.approx(losses(straight), abs=1e-6)


@pytest.mark.parametrize("weights", [{}, {"T": 3.0}])
def test_a_step_is_the_same_however_it_is_cut(base, data, tmp_path, weights):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for out, at_once in ((whole, 4), (cut, 1)):
        finetune(tiny_recipe(base, data, samples=8, per_device_batch=at_once, token_weights=weights), out)
    assert losses(cut) == pytest.approx(losses(whole), abs=1e-5)


def test_another_recipe_or_other_data_is_refused_in_the_same_place(straight, base, data):
    with pytest.raises(Conflict, match=r"learning_rate = 0\.001, now it is 0\.5"):
        preflight(tiny_recipe(base, data, held_out=data, eval_every=2, learning_rate=0.5), straight, 1)


def test_what_is_exported_can_be_served(straight, tmp_path):
    out = export_run(straight, tmp_path / "critic-tiny")
    manifest = read_manifest(out)
    assert manifest is not None
    assert (manifest.kind, manifest.name, manifest.pack) == ("critic", "critic-tiny", "compact")
    assert manifest.pack_digest == load_pack("compact").digest
    assert manifest.data_digest
    check_files(manifest, out)
    assert json.loads((out / "preprocessor_config.json").read_text())["processor_class"] == "Qwen3VLProcessor"
    assert (out / "video_preprocessor_config.json").is_file()
    assert not (out / "processor_config.json").exists()
    with pytest.raises(BadCheckpoint, match="no run was begun there"):
        export_run(tmp_path, tmp_path / "nothing")


async def test_the_exported_model_answers(straight, tmp_path):
    chat = LocalChat(str(export_run(straight, tmp_path / "critic")))
    messages = CriticCodec(load_pack("compact")).messages("a boat", "a boat", png(1), png(2))
    said = [token async for token in chat.stream(messages, max_tokens=5)]
    assert 0 < len(said) <= 5
    await chat.close()


@pytest.mark.slow
def test_adapters_are_merged_into_a_whole_model(base, data, tmp_path):
    out = finetune(tiny_recipe(base, data, role="planner", lora={"rank": 2, "alpha": 4}), tmp_path / "run")
    before = Qwen3VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32).state_dict()
    after = Qwen3VLForConditionalGeneration.from_pretrained(out, dtype=torch.float32).state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("_proj.weight" in name and ".visual." not in name for name in changed)


@pytest.mark.parametrize(
    ("changed", "error", "line"),
    [
        ({"precision": "bf16"}, BadSettings, "there is no GPU here"),
        ({"report_to": "trackio"}, BadSettings, "pip install trackio"),
        ({"max_pixels": 500}, BadSettings, "says 1048576: write that"),
        ({"pack": "nowhere"}, BadSettings, "no prompt pack 'nowhere'"),
        ({"base": "./nowhere"}, BadCheckpoint, "no model directory ./nowhere"),
        ({"data": Path("nowhere")}, BadRequest, "no critic data set at nowhere"),
        ({"max_tokens": 20}, BadRequest, "raise max_tokens"),
        ({"token_weights": {"two words": 2.0}}, BadSettings, "is not one token"),
        ({"batch": 6, "per_device_batch": 2}, BadSettings, "so write a multiple"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_loaded(base, data, tmp_path, changed, error, line):
    if "report_to" in changed and _installed("trackio"):
        pytest.skip("trackio is installed")
    with pytest.raises(error) as caught:
        preflight(tiny_recipe(base, data, **changed), tmp_path, 4 if changed.get("batch") == 6 else 1)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def _installed(package: str) -> bool:
    try:
        check_reporting(package)
    except BadSettings:
        return False
    return True


def test_a_broken_picture_and_an_abstention_are_found_in_the_sample(base, tmp_path):
    good, *_ = critic_examples()
    broken = CriticExample(good.prompt, good.last_prompt, None, b"no picture", good.verdict)
    write_examples(tmp_path / "a" / "critic.parquet", [good, broken], "critic")
    with pytest.raises(BadRequest, match=r"example 1 of .*not an image"):
        preflight(tiny_recipe(base, tmp_path / "a"), tmp_path, 1)
    silent = CriticExample("a", "a", None, good.after, Verdict(outcome=Outcome.ABSTAIN))
    write_examples(tmp_path / "b" / "critic.parquet", [silent], "critic")
    with pytest.raises(BadRequest, match=r"example 0 of .*abstention"):
        preflight(tiny_recipe(base, tmp_path / "b"), tmp_path, 1)


def test_a_model_that_was_trained_with_another_pack_is_refused(straight, data, tmp_path):
    exported = export_run(straight, tmp_path / "critic")
    with pytest.raises(BadCheckpoint, match="was trained on prompt pack 'compact'"):
        preflight(tiny_recipe(exported, data, pack="standard"), tmp_path, 1)


def test_precision_follows_the_device():
    assert [half_precision("auto", gpu) for gpu in (True, False)] == [True, False]
    assert not half_precision("float32", True)
    assert half_precision("bf16", True)
