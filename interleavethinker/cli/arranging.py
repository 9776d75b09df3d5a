"""`arrange` and `pin`: which steps a finished document shows and in what order, and what every drawing is given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interleavethinker.cli.options import ApiKey, Json, Run, Url

if TYPE_CHECKING:
    from interleavethinker.client import RunDocument
    from interleavethinker.document import Document

NO_FILE = re.compile(r"data:|https?://|[0-9a-f]{64}$")


def arrange(
    run: Run,
    order: Annotated[
        list[int] | None, typer.Argument(help="all steps by their numbers now, in their new order", show_default=False)
    ] = None,
    delete: Annotated[list[int], typer.Option(help="take this step out; may be given again")] = [],  # noqa: B006
    put_back: Annotated[
        list[int], typer.Option(help="the index of a step that was taken out: it comes last; may be given again")
    ] = [],  # noqa: B006
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Put the steps in another order, take some out, or put them back. With nothing else: which there are."""
    from interleavethinker.cli.reaching import client_of, run_of
    from interleavethinker.cli.saying import print_json

    if sum(map(bool, (order, delete, put_back))) > 1:
        raise typer.BadParameter("give an order, --delete or --put-back, one at a time")
    with client_of(url, api_key) as client:
        document = run_of(client, run).document()
        if order:
            document = document.arrange(_indexes(document, order))
        elif delete:
            document = _without(document, delete)
        elif put_back:
            shown = [step.index for step in document.steps]
            document = document.arrange([*shown, *_taken_out(document, put_back)])
    if as_json:
        return print_json(_told(document.value))
    return _tell(document.value)


def pin(
    run: Run,
    pictures: Annotated[
        list[str] | None, typer.Argument(help="files, URLs, or digests of the document's own", show_default=False)
    ] = None,
    step: Annotated[list[int], typer.Option(help="the picture of this step; may be given again")] = [],  # noqa: B006
    none: Annotated[bool, typer.Option("--none", help="pin nothing any more")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Give every drawing from here on these pictures, in place of those before: a style, a character."""
    from interleavethinker.cli.reaching import client_of, run_of, step_of
    from interleavethinker.cli.saying import console, print_json

    if bool(pictures or step) is none:
        raise typer.BadParameter("name the pictures, with --step if they are the document's; or say --none")
    with client_of(url, api_key) as client:
        document = run_of(client, run).document()
        own = [step_of(document, number, hint="--step") for number in step]
        if bare := [str(each.number) for each in own if each.image is None]:
            raise typer.BadParameter(f"there is no picture at step {', '.join(bare)}", param_hint="--step")
        given = [each if NO_FILE.match(each) else Path(each) for each in pictures or []]
        document = document.pin([*given, *(each.image for each in own if each.image)])
    pinned = [image.digest for image in document.value.request.references]
    if as_json:
        return print_json({"id": document.id, "references": pinned})
    return console().print("\n".join(f"pinned {digest}" for digest in pinned) or "nothing is pinned")


def _indexes(document: RunDocument, numbers: list[int]) -> list[int]:
    """Raises typer.BadParameter where these are not all steps, each once."""
    index = {step.number: step.index for step in document.steps}
    if sorted(numbers) != sorted(index):
        raise typer.BadParameter(f"name each step once: {' '.join(map(str, index))}", param_hint="ORDER")
    return [index[number] for number in numbers]


def _without(document: RunDocument, numbers: list[int]) -> RunDocument:
    from interleavethinker.cli.reaching import step_of

    meant = [step_of(document, number, hint="--delete") for number in dict.fromkeys(numbers)]
    if len(meant) == len(document.steps):
        raise typer.BadParameter("a document has one step at least", param_hint="--delete")
    for step in meant:
        document = step.delete()
    return document


def _taken_out(document: RunDocument, indexes: list[int]) -> list[int]:
    there = [entry.step.index for entry in document.value.deleted]
    if unknown := [str(index) for index in indexes if index not in there]:
        which = f"; there are {', '.join(map(str, there))}" if there else ""
        raise typer.BadParameter(f"no step {', '.join(unknown)} was taken out{which}", param_hint="--put-back")
    return list(dict.fromkeys(indexes))


def _told(document: Document) -> dict[str, Any]:
    return {
        "id": document.run_id,
        "steps": [
            {"number": entry.number, "index": entry.step.index, "name": entry.step.name, "stale": entry.stale}
            for entry in document.steps
        ],
        "deleted": [{"index": entry.step.index, "name": entry.step.name} for entry in document.deleted],
    }


def _tell(document: Document) -> None:
    from rich.markup import escape

    from interleavethinker.cli.saying import console

    screen = console()
    for entry in document.steps:
        stale = "  [yellow]drawn from what no longer stands[/]" if entry.stale else ""
        screen.print(f"{entry.number}. {escape(entry.step.name)}{stale}")
    for entry in document.deleted:
        screen.print(f"[dim]taken out: {escape(entry.step.name)}, back with --put-back {entry.step.index}[/]")
