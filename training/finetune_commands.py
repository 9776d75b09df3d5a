"""`python -m training sft | grpo | export-run`: recipes from the command line. What is wrong is said in one line, and
the exit code is 2.

Heavy imports stand inside the commands: `--help` and a mistyped recipe cost no seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from interleavethinker.errors import InterleaveError

Recipe = Annotated[Path, typer.Option(help="a TOML; ours are in training/recipes/")]
Out = Annotated[Path, typer.Option(help="the run's directory; one that is there already is gone on with")]
Set = Annotated[list[str], typer.Option("--set", help="key=value over the recipe's; again for more, a.b=1 for tables")]


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Our own errors as one line on stderr and exit code 2; all others are bugs and keep their traces."""
    try:
        yield
    except InterleaveError as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None


def register(app: typer.Typer) -> None:
    """Add the commands to `python -m training`."""

    @app.command()
    def sft(
        recipe: Recipe,
        out: Out,
        settings: Set = [],  # noqa: B006
        check: Annotated[
            bool, typer.Option("--check", help="look at everything that is named, and train nothing")
        ] = False,
        devices: Annotated[int, typer.Option(min=0, help="with --check: GPUs that the run will have; 0: a CPU")] = 0,
        sharding: Annotated[
            Literal["none", "zero3", "fsdp2"], typer.Option(help="with --check: how weights will be spread")
        ] = "fsdp2",
    ) -> None:
        """Fine-tune planner or critic on a data set on disk; goes on where it was stopped."""
        with told_in_one_line():
            from training.recipe import SftRecipe, read_recipe

            read = read_recipe(recipe, SftRecipe, settings)
            if check:
                from training.estimate import estimate
                from training.preflight import preflight

                found = preflight(read, out, max(devices, 1), gpu=True if devices else None)
                spread = sharding if devices > 1 else "none"
                typer.echo(f"{len(found.examples)} examples, {read.steps(len(found.examples))} steps: all is well")
                typer.echo(str(estimate(found.config, read, max(devices, 1), spread, half=found.half)))
                return
            from training.finetune import finetune

            typer.echo(finetune(read, out))

    @app.command()
    def grpo(
        recipe: Recipe,
        out: Out,
        settings: Set = [],  # noqa: B006
        generator_url: Annotated[
            str | None, typer.Option(help="the generator service, instead of the recipe's")
        ] = None,
        check: Annotated[
            bool, typer.Option("--check", help="look at everything that is named, and train nothing")
        ] = False,
        devices: Annotated[int, typer.Option(min=0, help="with --check: GPUs that the run will have; 0: a CPU")] = 0,
    ) -> None:
        """Reinforce the critic by single-step GRPO; goes on where it was stopped."""
        with told_in_one_line():
            from training.recipe import read_recipe
            from training.reinforce_recipe import GrpoRun

            said = [f'generator.url="{generator_url}"', "generator.directories="] if generator_url else []
            read = read_recipe(recipe, GrpoRun, [*settings, *said])
            numbers = read.numbers()
            from training.reinforce import look, reinforce

            if check:
                typer.echo(
                    f"{look(read, numbers, gpu=True if devices else None)} examples, {numbers.steps} steps: all is well"
                )
                return
            typer.echo(reinforce(read, numbers, out))

    @app.command(name="export-run")
    def export_run(
        run: Annotated[Path, typer.Argument(help="the --out of a finished sft or grpo run")],
        to: Annotated[Path, typer.Argument(help="the directory that will be served")],
        name: Annotated[str | None, typer.Option(help="in the manifest; without it, the directory's")] = None,
    ) -> None:
        """Write what is served of a finished run: weights, processor, manifest, curve."""
        with told_in_one_line():
            from training.exporting import export_run

            typer.echo(export_run(run, to, name=name))
