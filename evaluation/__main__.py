"""Held-out numbers: `python -m evaluation smallworld` measures what is served, `ablation` what each part buys; `ueval`,
`wise`, `rise`, `comm` and `opening` are the field's own benchmarks."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from evaluation.field.commands import add
from interleavethinker.errors import InterleaveError

CHECKPOINTS = Path("evaluation/ablation.toml")
ABLATION = Path("evaluation/results/ablation.json")
app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
add(app)


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


@app.command()
def ablation(
    n: Annotated[int, typer.Option(min=4, help="held-out requests of each row; 24 is a quick look")] = 300,
    seed: Annotated[int, typer.Option(help="chooses the requests")] = 0,
    checkpoints: Annotated[Path, typer.Option(help="a TOML: where each row's models lie")] = CHECKPOINTS,
    rows: Annotated[str, typer.Option(help="only these rows, with commas between; all without it")] = "",
    out: Annotated[Path, typer.Option(help="the JSON to write; a picture is put beside it")] = ABLATION,
    strict: Annotated[bool, typer.Option(help="refuse to leave out rows whose checkpoints are missing")] = False,
    wordings: Annotated[bool, typer.Option(help="also measure how reliable each wording family is")] = True,
    threads: Annotated[int, typer.Option(help="torch's threads for each model; several models run at once")] = 1,
) -> None:
    """The paper's table for the small world, in one run: every row on the same requests, plans and seeds."""
    from evaluation.rows import chosen_rows, read_checkpoints, split_rows

    try:
        places = read_checkpoints(checkpoints)
        measured, left_out = split_rows(chosen_rows([name.strip() for name in rows.split(",") if name.strip()]), places)
    except InterleaveError as error:
        _stop(error.detail)
    for entry in left_out:
        typer.echo(f"left out: {entry['row']}: {entry['reason']}", err=True)
    if not measured or (strict and left_out):
        _stop(f"{'rows' if measured else 'all rows'} are left out: train the checkpoints or name them in {checkpoints}")
    if out.suffix != ".json":
        _stop(f"--out {out}: name a .json file")
    import torch
    from transformers.utils import logging

    from evaluation import ablation_report
    from evaluation.ablation import ablation as measure

    torch.set_num_threads(threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    options = f" --checkpoints {checkpoints}" * (checkpoints != CHECKPOINTS) + f" --rows {rows}" * bool(rows)
    command = f"python -m evaluation ablation --n {n} --seed {seed}{options}{' --no-wordings' * (not wordings)}"
    try:
        numbers = asyncio.run(measure(places, measured, n, seed, typer.echo, wordings=wordings))
    except InterleaveError as error:
        _stop(error.detail)
    result = numbers | {"left_out": left_out, "command": command, "n": n, "seed": seed}
    ablation_report.write(result, out)
    for line in ablation_report.table(result):
        typer.echo(line)
    typer.echo(f"\nwritten: {out}, {out.with_suffix('.png')} ({numbers['seconds']} s)")


def _stop(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(2)


def _shown(value: Any) -> str:
    return (
        f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}] (n = {value.n})"
        if hasattr(value, "low")
        else str(value)
    )


if __name__ == "__main__":
    app()
