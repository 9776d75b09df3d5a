"""`runs`, `show` and `export`: documents that there are, on the screen or as files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from interleavethinker.cli.options import ApiKey, Json, Run, Url

STATES = {"succeeded": "green", "failed": "red", "partial": "yellow", "canceled": "yellow", "processing": "cyan"}


def runs(
    search: Annotated[str | None, typer.Option(help="only runs with these words")] = None,
    status: Annotated[list[str], typer.Option(help="only runs in this status; may be given again")] = [],  # noqa: B006
    limit: Annotated[int, typer.Option(min=1)] = 20,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Your runs, newest first."""
    from rich.markup import escape
    from rich.table import Table

    from interleavethinker.cli.reaching import client_of
    from interleavethinker.cli.saying import console, print_json

    with client_of(url, api_key) as client:
        listed = client.runs(search=search, status=status, page=min(limit, 100))
        found = [run.about for run in islice(listed, limit) if run.about]
    if as_json:
        return print_json({"runs": [about.model_dump(mode="json") for about in found]})
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("run", "status", "when"):
        table.add_column(name, no_wrap=True)
    table.add_column("request", overflow="ellipsis", no_wrap=True, ratio=1)
    for about in found:
        state = f"[{STATES.get(about.status, 'default')}]{about.status}[/]"
        table.add_row(about.id, state, _ago(about.created_at), escape(" ".join(about.prompt.split())))
    if found:
        console().print(table, soft_wrap=False)
    else:
        console().print("no run" + (" like this" if search or status else " yet"))
    return None


def show(run: Run, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """A document as it stands: its steps, and what became of each. With --json all of it."""
    from rich.markup import escape

    from interleavethinker.cli.reaching import client_of, run_of
    from interleavethinker.cli.saying import console, print_json
    from interleavethinker.exports import view

    with client_of(url, api_key) as client:
        document = run_of(client, run).document().value
    if as_json:
        return print_json(document.model_dump(mode="json"))
    screen = console()
    screen.print(f"[bold]{escape(view.title(document))}[/]  [dim]{document.run_id}[/] {document.status}")
    if trouble := view.trouble(document):
        screen.print(f"[yellow]{escape(trouble)}[/]")
    for step in view.steps(document):
        screen.print(f"\n[bold]{step.number}. {escape(step.name)}[/]  [dim]{escape(step.note)}[/]")
        if step.text:
            screen.print(f"   {escape(step.text)}")
        for attempt in step.attempts if len(step.attempts) > 1 else ():
            mark = "[green]✓[/]" if attempt.kept else " "
            words = "".join(piece.text + " " for piece in attempt.prompt if piece.kind != "removed").strip()
            screen.print(f"   {mark} {attempt.number}  {escape(words)}  [dim]{escape(attempt.verdict)}[/]")
    return None


def export(
    run: Run,
    path: Annotated[list[Path], typer.Argument(help="files, their endings say the formats; or a folder")],
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Write a document as files, made on this machine: guide.pdf, guide.epub, a folder, ..."""
    from interleavethinker.cli.following import check_out, write
    from interleavethinker.cli.reaching import client_of, run_of
    from interleavethinker.cli.saying import console, print_json

    for each in path:
        check_out(each)
    with client_of(url, api_key) as client:
        document = run_of(client, run).document()
        written = [write(document, each) for each in path]
    if as_json:
        return print_json({"id": document.id, "files": [str(each.absolute()) for each in written]})
    for each in written:
        console().print(str(each.absolute()))
    return None


def _ago(at: datetime) -> str:
    """How long ago, roughly; the day for what is older than one."""
    since = datetime.now(UTC) - at
    if since < timedelta(minutes=1):
        return "just now"
    if since < timedelta(hours=1):
        return f"{since.seconds // 60} min ago"
    if since < timedelta(days=1):
        return f"{since.seconds // 3600} h ago"
    return f"{at.astimezone():%Y-%m-%d}"
