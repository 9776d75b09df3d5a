"""A recipe rehearsed with random weights: what is laid over it, and a real one from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from interleavethinker.errors import BadSettings, Unavailable
from training import rehearsal
from training.recipe import SftRecipe, read_recipe
from training.reinforce_recipe import GrpoRun

RECIPES = Path(__file__).parents[2] / "training" / "recipes"
LAUNCHER = RECIPES.parent / "accelerate" / "zero3.yaml"


def test_the_full_size_recipes_keep_their_own_settings(tmp_path):
    said = rehearsal.laid_over("sft", 3, 32, tmp_path, gpu=True)
    recipe = read_recipe(RECIPES / "critic_sft.gpu.toml", SftRecipe, said)
    assert (recipe.precision, recipe.gradient_checkpointing, recipe.max_tokens) == ("bf16", True, 16384)
    assert recipe.steps(1000) == 3
    said = rehearsal.laid_over("grpo", 2, 128, tmp_path, gpu=True)
    run = read_recipe(RECIPES / "critic_rl.gpu.toml", GrpoRun, said)
    numbers = run.numbers()
    assert (numbers.bf16, numbers.steps, numbers.prompts_per_step, numbers.group) == (True, 2, 16, 8)


def test_the_run_is_the_ordinary_command():
    words = rehearsal.command("sft", Path("r.toml"), Path("out"), ["batch=8"], LAUNCHER, 8)
    assert words[1:4] == ["-m", "accelerate.commands.launch", "--config_file"]
    assert words[-9:] == ["-m", "training", "sft", "--recipe", "r.toml", "--out", "out", "--set", "batch=8"]


def test_shapes_are_found_or_named(tmp_path):
    assert (rehearsal.shape_of("qwen3-vl-8b") / "config.json").is_file()
    with pytest.raises(BadSettings, match=r"ours are tiny, qwen3-vl-8b"):
        rehearsal.shape_of("qwen9")


def test_the_first_step_is_not_timed(tmp_path):
    with pytest.raises(Unavailable, match="holds no step"):
        rehearsal.found(tmp_path, "sft")
    rows = [{"step": n, "seconds": seconds, "peak_gb": n} for n, seconds in ((1, 9.0), (2, 1.0), (3, 2.0))]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"eval_loss": 1.0}]))
    assert rehearsal.found(tmp_path, "sft") == rehearsal.Found(3, 1.5, 3)


@pytest.mark.slow
def test_a_full_size_recipe_is_rehearsed_with_a_tiny_shape(tmp_path):
    app = typer.Typer()
    app.command(name="other")(lambda: None)
    rehearsal.register(app)
    words = ["rehearse", "--recipe", str(RECIPES / "critic_sft.gpu.toml"), "--out", str(tmp_path), "--steps", "2"]
    ran = CliRunner().invoke(app, [*words, "--batch", "2", "--side", "64", "--set", "pack=compact"])
    assert ran.exit_code == 0, ran.output
    assert "2 steps: " in ran.output
    assert " GB at most" in ran.output
