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
    from training import school

    made = getattr(school, course)(school.read_recipe(recipe or RECIPES / f"{course}.cpu.toml"), work)
    typer.echo(f"{course}: {made}")


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
    from training import school
    from training.export import export

    typer.echo(export(kind, school.read_recipe(RECIPES / f"{kind}.cpu.toml"), work))


data_commands.register(app)
finetune_commands.register(app)
rehearsal.register(app)

if __name__ == "__main__":
    app()
