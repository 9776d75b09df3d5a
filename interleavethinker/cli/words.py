"""The commands by name, and the bare form: `interleavethinker "How do I ..."` is `run`."""

from __future__ import annotations

from collections.abc import Set
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from interleavethinker.cli import arranging, looking, making, measuring, rewording, serving, sharing, varying, working

EPILOG = (
    "Exit codes: 0 well, 1 failed or an error, 2 wrong usage, 3 cut short, 4 nobody answers, 130 canceled. "
    "INTERLEAVETHINKER_URL and INTERLEAVETHINKER_API_KEY say where the stack is. More in docs/cli.md."
)


def asked(words: list[str], commands: Set[str]) -> list[str]:
    """The words with `run` put before them where they name no command. What looks like a command that was written
    wrong stays as it is, and is refused."""
    if not words or words[0] in commands:
        return words
    first = words[0]
    if first.startswith("-") and first != "-":
        ours = first.partition("=")[0] in ("--help", "--version", "--install-completion", "--show-completion")
        return words if ours or not commands.isdisjoint(words) else ["run", *words]
    if " " not in first and get_close_matches(first, list(commands), cutoff=0.7):
        return words
    return ["run", *words]


class Bare(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, asked(args, set(self.commands)))


app = typer.Typer(
    cls=Bare,
    help='Illustrated documents: planned, drawn, judged and redrawn.\n\n`interleavethinker "How do I ..." -o guide/`',
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from interleavethinker import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def interleavethinker(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="and nothing else")
    ] = False,
) -> None:
    pass


MAKE, LOOK, CHANGE, TEND = "Make a document", "Look at documents", "Work on documents", "Tend a stack"
app.command(rich_help_panel=MAKE)(making.run)
app.command(rich_help_panel=MAKE)(making.demo)
app.command(rich_help_panel=LOOK)(looking.runs)
app.command(rich_help_panel=LOOK)(looking.show)
app.command(rich_help_panel=LOOK)(looking.export)
app.command(rich_help_panel=CHANGE)(working.redraw)
app.command(rich_help_panel=CHANGE)(working.keep)
app.command(rich_help_panel=CHANGE)(working.resume)
app.command(rich_help_panel=CHANGE)(working.cancel)
app.command(rich_help_panel=CHANGE)(varying.branch)
app.command("continue", rich_help_panel=CHANGE)(varying.continue_)
app.command(rich_help_panel=CHANGE)(rewording.edit)
app.command(rich_help_panel=CHANGE)(rewording.insert)
app.command(rich_help_panel=CHANGE)(arranging.arrange)
app.command(rich_help_panel=CHANGE)(arranging.pin)
app.command(rich_help_panel=CHANGE)(sharing.share)
app.command(rich_help_panel=TEND)(serving.serve)
app.command("up", rich_help_panel=TEND, help="The same as `serve`.")(serving.serve)
app.command(rich_help_panel=TEND)(serving.mcp)
app.command(rich_help_panel=TEND)(measuring.doctor)
app.command(
    "eval",
    rich_help_panel=TEND,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)(measuring.evaluate)
