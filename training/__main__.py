"""`python -m training COURSE`: train the small world's models on this machine. Every course resumes where it
stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from training import finetune_commands, rehearsal
from training.data import commands as data_commands

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
RECIPES = Path(__file__).parent / "recipes"
Recipe = Annotated[Path | None, typer.Option(help="a TOML of settings; without it, training/recipes/<course>.cpu.toml")]
Kind = Literal["planner", "critic", "generator"]
Work = Annotated[Path, typer.Option(help="where runs are kept while they are trained")]


def _run(course: str, recipe: Path | None, work: Path) -> None:
    with finetune_commands.told_in_one_line():
        from training import courses, school

        path = recipe or RECIPES / f"{course}.cpu.toml"
        table = courses.read_recipe(path)
        courses.check(course, table, str(path))
        typer.echo(f"{course}: {getattr(school, course)(table, work)}")


@app.command()
def generator(recipe: Recipe = None, work: Work = Path("var/train")) -> None:
    """The FLUX.2-klein-shaped generator: autoencoder, text grounding, rectified flow."""
    _run("generator", recipe, work)


@app.command()
def base(recipe: Recipe = None, work: Work = Path("var/train")) -> None:
    """What planner and critic start from: tokenizer and grounded vision tower."""
    _run("base", recipe, work)


@app.command()
def planner(recipe: Recipe = None, work: Work = Path("var/train")) -> None:
    """The planner: supervised fine-tuning with TRL."""
    _run("planner", recipe, work)


@app.command()
def critic(recipe: Recipe = None, work: Work = Path("var/train")) -> None:
    """The critic: supervised fine-tuning with TRL on painted, then on drawn attempts."""
    _run("critic", recipe, work)


@app.command()
def one_agent(recipe: Recipe = None, work: Work = Path("var/train")) -> None:
    """One model for both roles, for the ablation."""
    _run("one_agent", recipe, work)


@app.command()
def export(kind: Annotated[Kind, typer.Argument(help="which of the three")], work: Work = Path("var/train")) -> None:
    """Write what is served to checkpoints/smallworld/KIND, with its manifest and training curve."""
    with finetune_commands.told_in_one_line():
        from training import courses
        from training.export import export

        typer.echo(export(kind, courses.read_recipe(RECIPES / f"{kind}.cpu.toml"), work))


data_commands.register(app)
finetune_commands.register(app)
rehearsal.register(app)

if __name__ == "__main__":
    app()
