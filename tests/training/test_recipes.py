"""Recipes: what they say is known, checked and the paper's; and what a model of that size takes of a GPU."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from transformers import AutoConfig

from interleavethinker.errors import BadSettings
from training.batched import MemoryBlobs
from training.data.replies import RecordedChat
from training.estimate import estimate, parameters
from training.recipe import Lora, SftRecipe, read_recipe
from training.reinforce import judge_of
from training.reinforce_recipe import GrpoRun

RECIPES = Path(__file__).parents[2] / "training" / "recipes"
EIGHT_B = RECIPES.parent / "shapes" / "qwen3-vl-8b"

LEARNED, FROZEN = 8_190_735_360, 576_388_336
"""Language: 2 * 151936 * 4096 + 36 * (2 * 4096^2 + 2 * 4096 * 1024 + 3 * 4096 * 12288 + 2 * 4096 + 2 * 128) + 4096.
Vision: patches 1,770,624 + positions 2,654,208 + 27 * 15,239,504 + merger 40,119,040 + 3 * 40,125,952."""
LAYER, VISION_BLOCK = 192_946_432, 15_239_504


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


MINIMAL = 'base = "b"\nrole = "critic"\ndata = "d"\nepochs = 1\n'


def test_every_recipe_with_a_kind_is_read_with_each_of_its_variants():
    kinds = {"sft": SftRecipe, "grpo": GrpoRun}
    read = 0
    for path in sorted(RECIPES.glob("*.toml")):
        table = tomllib.loads(path.read_text())
        for variant in [*table.get("variants", {}), None]:
            if "kind" in table:
                made = read_recipe(path, kinds[table["kind"]], [f"variant={variant}"] if variant else [])
                read += 1
                if isinstance(made, GrpoRun):
                    read_recipe(path, GrpoRun, ["grpo.report_to=none"]).numbers()
    assert read >= 3 + 3 + 3 + 2


@pytest.mark.parametrize("role", ["planner", "critic"])
def test_sft_recipes_say_what_the_paper_says(role):
    recipe = read_recipe(RECIPES / f"{role}_sft.gpu.toml", SftRecipe)
    assert (recipe.learning_rate, recipe.schedule, recipe.warmup, recipe.weight_decay) == (2e-5, "cosine", 0.1, 1e-6)
    assert (recipe.batch, recipe.epochs, recipe.max_tokens, recipe.max_pixels) == (32, 2, 16384, 1024 * 1024)
    assert (recipe.freeze, recipe.precision) == (("vision", "projector"), "bf16")


def test_the_variants_differ_where_the_paper_and_its_code_do():
    planner = [read_recipe(RECIPES / "planner_sft.gpu.toml", SftRecipe, [f"variant={v}"]) for v in ("paper", "code")]
    assert [recipe.epochs for recipe in planner] == [2, 3]
    critic = [read_recipe(RECIPES / "critic_sft.gpu.toml", SftRecipe, [f"variant={v}"]) for v in ("paper", "code")]
    assert [recipe.epochs for recipe in critic] == [2, 2]
    paper, code = (
        read_recipe(RECIPES / "critic_rl.gpu.toml", GrpoRun, [f"variant={v}", "grpo.report_to=none"]).numbers()
        for v in ("paper", "code")
    )
    assert (paper.kl, paper.reward.variant, code.kl, code.reward.variant) == (1e-3, "paper", 0.0, "code")
    assert paper.steps == 13_000 // 16
    for numbers in (paper, code):
        assert (numbers.learning_rate, numbers.weight_decay, numbers.warmup_steps) == (2e-6, 1e-2, 0)
        assert (numbers.prompts_per_step, numbers.group, numbers.vision) == (16, 8, True)
        assert (numbers.clip_low, numbers.clip_high, numbers.loss) == (0.2, 0.3, "dapo")
        assert (numbers.temperature, numbers.top_p, numbers.max_tokens) == (1.0, 1.0, 4096)
        weights = numbers.reward
        assert (weights.format, weights.outcome, weights.accuracy, weights.step) == (0.5, 0.5, 0.2, 0.8)
        assert weights.step * weights.quality_share == pytest.approx(0.2)


def test_settings_are_laid_over_the_file_and_its_variant(tmp_path):
    path = write(
        tmp_path / "r.toml", 'variant = "a"\n' + MINIMAL + "[variants.a]\nbatch = 4\n[variants.b]\nbatch = 8\n"
    )
    assert read_recipe(path, SftRecipe).batch == 4
    assert read_recipe(path, SftRecipe, ["variant=b"]).batch == 8
    said = read_recipe(path, SftRecipe, ["batch=16", "base=some/model", "lora.rank=8", "epochs=", "samples=3"])
    assert (said.batch, said.base, said.lora, said.samples) == (16, "some/model", Lora(rank=8), 3)


@pytest.mark.parametrize(
    ("text", "settings", "line"),
    [
        (MINIMAL + "learning_rat = 1e-5", [], "'learning_rat' is no key of this recipe: did you mean 'learning_rate'?"),
        (MINIMAL + "qqqq = 1", [], "known are kind, base"),
        (MINIMAL, ["batch=many"], "batch: Input should be a valid integer, got 'many'"),
        (MINIMAL, ["learning_rate=-1"], "learning_rate: Input should be greater than 0"),
        (MINIMAL, ["samples=10"], "give `epochs` or `samples`"),
        (MINIMAL, ["batch=3", "per_device_batch=2"], "must be a multiple"),
        (MINIMAL, ["freeze=['nose']"], "freeze.0: Input should be 'vision' or 'projector'"),
        (MINIMAL, ["batch"], "write key=value"),
        (MINIMAL, ["variant=z"], "has no variant 'z'"),
        (MINIMAL.replace('role = "critic"\n', ""), [], "'role' is missing"),
        ("batch = ", [], "cannot be read"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_line(tmp_path, text, settings, line):
    with pytest.raises(BadSettings) as error:
        read_recipe(write(tmp_path / "r.toml", text), SftRecipe, settings)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(BadSettings, match="there is no recipe"):
        read_recipe(tmp_path / "none.toml", SftRecipe)


def test_a_generator_is_directories_or_a_url(tmp_path):
    path = write(tmp_path / "r.toml", 'kind = "grpo"\nbase = "b"\ndata = "d"\n[generator]\nurl = "http://g"\n')
    with pytest.raises(BadSettings, match="needs `blobs`"):
        read_recipe(path, GrpoRun)
    assert read_recipe(path, GrpoRun, ["generator.blobs=x"]).generator.url == "http://g"
    with pytest.raises(BadSettings, match="one of the two"):
        read_recipe(path, GrpoRun, ["generator.directories=['x']", "generator.blobs=x"])


def test_steps_and_accumulation(tmp_path):
    recipe = read_recipe(write(tmp_path / "r.toml", MINIMAL + "batch = 32\nper_device_batch = 2"), SftRecipe)
    assert (recipe.accumulation(1), recipe.accumulation(8)) == (16, 2)
    assert recipe.steps(80_000) == 2500
    with pytest.raises(BadSettings, match="so write a multiple"):
        recipe.accumulation(5)


def test_what_8b_takes_of_each_gpu_as_computed_by_hand():
    config = AutoConfig.from_pretrained(EIGHT_B)
    recipe = read_recipe(RECIPES / "planner_sft.gpu.toml", SftRecipe)
    outside = LEARNED + FROZEN - 36 * LAYER - 27 * VISION_BLOCK
    whole = estimate(config, recipe, 8, "zero3", half=True)
    counts = whole.parameters
    assert (counts.trained, counts.frozen) == (LEARNED, FROZEN)
    assert (counts.largest_block, counts.outside_blocks) == (LAYER, outside)
    checkpoints = 36 * 16384 * 4096 * 2
    inside = 16384 * 2 * (6 * 4096 + 2 * 32 * 128 + 2 * 8 * 128 + 4 * 12288)
    memory = whole.memory
    assert memory.weights == 2 * (LEARNED + FROZEN) / 8
    assert (memory.gradients, memory.optimizer) == (2 * LEARNED / 8, 12 * LEARNED / 8)
    assert memory.gathered == 2 * (outside + 2 * LAYER)
    assert memory.activations == checkpoints + 2 * inside
    assert "about 30.5 GB on each of 8" in str(whole)
    sharded = estimate(config, recipe, 16, "fsdp2", half=True).memory
    assert (sharded.weights, sharded.optimizer) == (4 * (LEARNED + FROZEN) / 16, 8 * LEARNED / 16)


@pytest.mark.slow
def test_what_adapters_take():
    config = AutoConfig.from_pretrained(EIGHT_B)
    widths = (4096 + 4096, 4096 + 1024, 4096 + 1024, 4096 + 4096, 4096 + 12288, 4096 + 12288, 12288 + 4096)
    counts = parameters(config, ("vision", "projector"), Lora(rank=32))
    assert (counts.trained, counts.frozen) == (36 * 32 * sum(widths), LEARNED + FROZEN)


def test_the_tower_and_the_projector_are_frozen_apart():
    config = AutoConfig.from_pretrained(EIGHT_B)
    projector = 40_119_040 + 3 * 40_125_952
    assert parameters(config, ("projector",)).frozen == projector
    assert parameters(config, ("vision",)).frozen == FROZEN - projector


def test_a_judges_raw_replies_are_kept_where_the_recipe_says(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    for replies, recorded in ((tmp_path / "judge.jsonl", True), ("", False)):
        recipe = RECIPES / "critic_rl.gpu.toml"
        judge = judge_of(read_recipe(recipe, GrpoRun, [f"judge.replies={replies}"]), MemoryBlobs())
        assert any(isinstance(part, RecordedChat) for part in vars(judge).values()) is recorded
