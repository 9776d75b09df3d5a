"""A run watched to its end: told as it happens, canceled by a signal, and its document written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from interleavethinker.cli.ends import code_of, held
from interleavethinker.cli.saying import console, outline, print_json
from interleavethinker.errors import InterleaveError, Unavailable

if TYPE_CHECKING:
    from interleavethinker.client import Client, Run, RunDocument
    from interleavethinker.events import Recorded


def follow(
    client: Client,
    ask: Callable[[], Run],
    out: Path | None,
    *,
    as_json: bool,
    review: bool = False,
    past: Sequence[Recorded] = (),
) -> int:
    """Ask for something, tell what comes of it, write the document; the exit code. `past`: events of before, which are
    known and not told. A signal cancels the run: also one that comes before it is known."""
    from interleavethinker.cli.display import display

    run: Run | None = None
    screen = console(silent=as_json)
    try:
        with held():
            run = ask()
        known = run
        with display(screen, known.id, lambda digest: client.image(known.id, digest)) as shown:
            shown.recall(past)
            for recorded in run.events(progress=shown.progress):
                shown.tell(recorded)
                if review and recorded.event.type == "plan_awaited":
                    with shown.paused():
                        _ask_whether_to_draw(run)
    except SystemExit:
        if run:
            _cancel(run)
        raise
    document = run.document()
    written = write(document, out) if out and document.steps else None
    if as_json:
        print_json(outline(document.value, written))
    elif written:
        screen.print(f"\n[bold]{written.absolute()}[/]")
    return code_of(document.status)


def write(document: RunDocument, out: Path) -> Path:
    """A file where the name has an ending that a format has, else a folder."""
    return document.export(out) if out.suffix and not out.is_dir() else document.save(out)


def check_out(out: Path | None) -> None:
    """Before anything is drawn. Raises BadRequest, or NotInstalled, for a file that could not be written then."""
    if out and out.suffix:
        from interleavethinker.client.taking import can_save

        can_save(out)


def _ask_whether_to_draw(run: Run) -> None:
    if typer.confirm("Draw this plan?", default=True):
        run.approve()
    else:
        run.cancel()


def _cancel(run: Run) -> None:
    """Told in one line on standard error; a service that is away does not keep the command."""
    with held():
        try:
            run.cancel()
        except Unavailable as error:
            sys.stderr.write(f"run {run.id} could not be canceled: {error.detail}\n")
        except InterleaveError as error:
            sys.stderr.write(f"run {run.id}: {error.detail}\n")
        else:
            sys.stderr.write(f"canceled run {run.id}; what was finished stays: interleavethinker show {run.id}\n")
