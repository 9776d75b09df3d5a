"""What is wrong with a course's recipe is one line and code 2, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.__main__ import app
from training.courses import check, read_recipe
from training.data.store import write_examples

RECIPES = sorted((Path(__file__).parents[2] / "training" / "recipes").glob("*.toml"))
PLANNER = "seed = 0\nthreads = 1\n[recipes]\nsamples = 4\n"
ONE_AGENT = 'seed = 0\nthreads = 1\nplanner_share = 0.2\ndata = "{data}"\n[lessons]\nsamples = 4\n'


@pytest.mark.parametrize("stem", ["base", "planner", "critic", "generator"])
def test_our_recipes_are_sound(stem):
    (path,) = [path for path in RECIPES if path.name == f"{stem}.cpu.toml"]
    check(stem, read_recipe(path), path.name)


@pytest.mark.parametrize(
    ("course", "text", "line"),
    [
        ("planner", None, "there is no recipe"),
        ("planner", "seed = ", "cannot be read"),
        ("planner", "seed = 0\nthreads = 1\n", "'recipes' is missing"),
        ("planner", "speed = 1\n" + PLANNER, "'speed' is no key of planner"),
        ("planner", PLANNER + "lr = 1\n", "[recipes] 'lr' is no key of a stage"),
        ("planner", 'start = "nowhere"\n' + PLANNER, "there is no config.json in nowhere"),
        ("critic", "seed = 0\nthreads = 1\n[painted]\n[drawn]\n", "[drawn] needs [drawings]"),
        ("generator", "speed = 1", "'speed' is no key of generator"),
        ("generator", 'start = "nowhere"', "there is no model_index.json in nowhere"),
        ("one-agent", ONE_AGENT.format(data="nowhere"), "there is no data set at nowhere"),
        ("one-agent", ONE_AGENT.format(data="{tmp}/critic.parquet"), "holds no example"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, course, text, line):
    write_examples(tmp_path / "critic.parquet", [], "critic")
    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_text(text.replace("{tmp}", str(tmp_path)))
    ran = CliRunner().invoke(app, [course, "--recipe", str(path), "--work", str(tmp_path / "work")])
    assert ran.exit_code == 2, ran.output
    assert line in ran.output
    assert ran.output.count("\n") == 1
    assert not (tmp_path / "work").exists()


def test_nothing_is_exported_that_was_not_trained(tmp_path):
    ran = CliRunner().invoke(app, ["export", "planner", "--work", str(tmp_path)])
    assert ran.exit_code == 2
    assert "run `python -m training planner` first" in ran.output
