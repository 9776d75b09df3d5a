"""The commands `python -m evaluation ueval|wise|rise|comm|opening`: what each of them takes, and how it tells what it
does."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from interleavethinker.errors import BadRequest, InterleaveError

Input = Annotated[Path, typer.Option("--input", help="the data set: the benchmark's own file or folder")]
Api = Annotated[str, typer.Option(help="where the service is; its key is read from INTERLEAVETHINKER_API_KEY")]
Out = Annotated[Path | None, typer.Option(help="the folder to keep everything in; without it, runs/<benchmark>")]
Rows = Annotated[str, typer.Option(help="of generator_alone,planner_only,planner_critic; all without it")]
Limit = Annotated[int | None, typer.Option(min=1, help="only so many questions, evenly over the categories")]
Seed = Annotated[int, typer.Option(min=0, help="of the drawings, and of the choice that --limit makes")]
Resume = Annotated[bool, typer.Option("--resume", help="go on with what --out holds")]
Redo = Annotated[bool, typer.Option("--redo-failed", help="with --resume: ask again where a run did not succeed")]
JudgeUrl = Annotated[str | None, typer.Option(help="a server of OpenAI's chat API, up to /v1; without it, no judging")]
JudgeModel = Annotated[str | None, typer.Option(help="the judge's name there; its key is read from JUDGE_API_KEY")]
AtOnce = Annotated[int, typer.Option(min=1, help="runs, and questions to the judge, at once")]
Attempts = Annotated[int, typer.Option(min=1, max=20, help="drawings a step at most, where the critic judges")]
Critic = Annotated[str, typer.Option(help="quick or strict, where the critic judges")]
Size = Annotated[str | None, typer.Option(help="of the pictures, as 1024x1024; without it the generator's own")]
Generator = Annotated[str | None, typer.Option(help="which of the service's generators draws")]
Minutes = Annotated[float, typer.Option(min=0.01, help="for one run, then it is left for --resume")]
Protocol = Annotated[str, typer.Option(help="verified (a yes or no), or legacy (the paper's: three scores)")]
Against = Annotated[list[Path] | None, typer.Option(help="a folder <model>_output to compare with; may be given again")]


def add(app: typer.Typer) -> None:
    """Add the five commands."""
    app.command(help="UEval: documents, by rubrics for text and pictures.")(_plain("ueval"))
    app.command()(wise)
    app.command(help="RISEBench: pictures edited by reasoning.")(_plain("rise"))
    app.command(help="CoMM: sequences of texts and pictures, completed.")(_plain("comm"))
    app.command()(opening)


def _plain(name: str) -> Callable[..., None]:
    """A command with nothing of its own."""

    def command(
        input_: Input, api: Api = "http://127.0.0.1:8080", out: Out = None, rows: Rows = "", limit: Limit = None,
        seed: Seed = 0, resume: Resume = False, redo: Redo = False, judge_url: JudgeUrl = None,
        judge_model: JudgeModel = None, at_once: AtOnce = 4, attempts: Attempts = 5, critic: Critic = "quick",
        size: Size = None, generator: Generator = None, minutes: Minutes = 60,
    ) -> None:  # fmt: skip
        _run(name, {}, dict(locals()))

    command.__name__ = name
    return command


def wise(
    input_: Input, api: Api = "http://127.0.0.1:8080", out: Out = None, rows: Rows = "", limit: Limit = None,
    seed: Seed = 0, resume: Resume = False, redo: Redo = False, judge_url: JudgeUrl = None,
    judge_model: JudgeModel = None, at_once: AtOnce = 4, attempts: Attempts = 5, critic: Critic = "quick",
    size: Size = None, generator: Generator = None, minutes: Minutes = 60,
    protocol: Protocol = "verified",
) -> None:  # fmt: skip
    """WISE: single pictures that need knowledge of the world."""
    _run("wise", {"protocol": protocol}, dict(locals()))


def opening(
    input_: Input, api: Api = "http://127.0.0.1:8080", out: Out = None, rows: Rows = "", limit: Limit = None,
    seed: Seed = 0, resume: Resume = False, redo: Redo = False, judge_url: JudgeUrl = None,
    judge_model: JudgeModel = None, at_once: AtOnce = 4, attempts: Attempts = 5, critic: Critic = "quick",
    size: Size = None, generator: Generator = None, minutes: Minutes = 60,
    against: Against = None,
) -> None:  # fmt: skip
    """OpenING: open requests, compared in pairs."""
    _run("opening", {"against": against or [], "seed": seed}, dict(locals()))


def _run(name: str, own: dict[str, Any], told: dict[str, Any]) -> None:
    from evaluation.field import report
    from evaluation.field.comm import Comm
    from evaluation.field.opening import Opening
    from evaluation.field.rise import Rise
    from evaluation.field.ueval import UEval
    from evaluation.field.wise import Wise

    kinds: dict[str, Any] = {"ueval": UEval, "wise": Wise, "rise": Rise, "comm": Comm, "opening": Opening}
    out = told["out"] or Path("runs") / name
    try:
        bench = kinds[name](**own)
        result = asyncio.run(_measured(bench, out, told))
    except InterleaveError as error:
        _stop(error.detail)
    except KeyboardInterrupt:
        _stop(f"stopped; go on with --resume --out {out}")
    for line in report.write(result, bench, out):
        typer.echo(line)
    typer.echo(f"\nwritten: {out}/report.json, report.md, contact.png; official layout in {out}/official")


async def _measured(bench: Any, out: Path, told: dict[str, Any]) -> dict[str, Any]:
    from evaluation.field.conditions import conditions
    from evaluation.field.judging import Judge
    from evaluation.field.measure import Asking, measure

    if bool(told["judge_url"]) != bool(told["judge_model"]):
        raise BadRequest("--judge-url and --judge-model go together: give both, or neither to leave judging for later")
    if told["critic"] not in ("quick", "strict"):
        raise BadRequest(f"--critic {told['critic']} is neither quick nor strict")
    asked = {"size": _size(told["size"]), "generator": told["generator"]}
    wishes = {name: value for name, value in asked.items() if value is not None}
    names = [row.strip() for row in told["rows"].split(",") if row.strip()]
    rows = conditions(names, attempts=told["attempts"], critic=told["critic"], wishes=wishes)
    items = bench.read(told["input_"])
    key = os.environ.get("JUDGE_API_KEY")
    judge = told["judge_url"] and Judge(told["judge_url"], told["judge_model"], key=key, at_once=told["at_once"])
    asking = Asking(
        told["api"], os.environ.get("INTERLEAVETHINKER_API_KEY"), told["at_once"], told["minutes"] * 60, told["redo"]
    )
    try:
        return await measure(
            bench, items, rows, asking, judge or None, out, limit=told["limit"], seed=told["seed"],
            command=f"python -m evaluation {shlex.join(sys.argv[1:])}", resume=told["resume"],
            say=lambda line: typer.echo(line, err=True),
        )  # fmt: skip
    finally:
        if judge:
            await judge.close()


def _size(told: str | None) -> dict[str, int] | None:
    if told is None:
        return None
    if not (found := re.fullmatch(r"(\d+)x(\d+)", told)):
        raise BadRequest(f"--size {told} must be written as 1024x1024")
    return {"width": int(found[1]), "height": int(found[2])}


def _stop(line: str) -> NoReturn:
    typer.echo(" ".join(line.split()), err=True)
    raise typer.Exit(2)
