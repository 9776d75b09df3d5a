"""`python -m evaluation smallworld`: measure the served checkpoints on held-out data."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def evaluation() -> None:
    """Held-out numbers, each with n and a 95% interval."""


@app.command()
def smallworld(
    n: Annotated[int, typer.Option(min=4, help="held-out cases for each number; 20 is a quick look")] = 300,
    seed: Annotated[int, typer.Option(help="chooses the cases")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print the numbers as JSON, progress goes to stderr")] = False,
    checkpoints: Annotated[Path, typer.Option(help="holds planner/, critic/ and generator/")] = Path(
        "checkpoints/smallworld"
    ),
    out: Annotated[Path | None, typer.Option(help="also write the numbers with all details to this file")] = None,
    record: Annotated[bool, typer.Option(help="write the numbers into the checkpoints' manifests as well")] = False,
    threads: Annotated[int, typer.Option(help="torch's threads")] = 2,
) -> None:
    """Planner, critic and generator alone, then whole documents with one attempt a step and with the loop."""
    missing = [name for name in ("planner", "critic", "generator") if not (checkpoints / name).is_dir()]
    if missing:
        typer.echo(
            f"no checkpoint {', '.join(missing)} under {checkpoints}: train them with `python -m training`", err=True
        )
        raise typer.Exit(2)
    import torch
    from transformers.utils import logging

    from evaluation import report
    from evaluation.smallworld import evaluate

    torch.set_num_threads(threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    numbers, details = asyncio.run(evaluate(checkpoints, n, seed, lambda line: typer.echo(line, err=as_json)))
    if out:
        command = f"python -m evaluation smallworld --n {n} --seed {seed} --json"
        report.write(numbers, details, out, command=command, seed=seed)
    if record:
        report.record(numbers, checkpoints)
    if as_json:
        json.dump(report.plain(numbers), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        for name, value in details.items():
            typer.echo(f"  {name}: {_shown(value)}")


def _shown(value: Any) -> str:
    return (
        f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}] (n = {value.n})"
        if hasattr(value, "low")
        else str(value)
    )


if __name__ == "__main__":
    app()
