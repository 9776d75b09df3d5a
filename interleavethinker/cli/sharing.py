"""`share`: the link by which anyone may read a document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from interleavethinker.cli.options import ApiKey, Json, Run, Url

if TYPE_CHECKING:
    from interleavethinker.client import Share

UNITS = {"m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def share(
    run: Run,
    lives: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="such as 12h, 7d, 2w; else until it is revoked")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="the link that there is; makes none")] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="end the link at once")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Make a link by which anyone may read a document. It has one: made again, it only gets another end."""
    from interleavethinker.cli.reaching import client_of, run_of
    from interleavethinker.cli.saying import console, print_json

    if (lives is not None) + show + revoke > 1:
        raise typer.BadParameter("give --for, --show or --revoke, one at a time")
    seconds = None if lives is None else duration(lives)
    with client_of(url, api_key) as client:
        known = run_of(client, run).id
        if revoke:
            revoked = client.unshare(known)
            if as_json:
                return print_json({"id": known, "revoked": revoked})
            return console().print(f"{known} {'is not shared any more' if revoked else 'was not shared'}")
        link = client.shared(known) if show else client.share(known, expires_in=seconds)
    if as_json:
        return print_json({"id": known, **link.model_dump(mode="json")})
    return _tell(link)


def duration(text: str) -> int:
    """Seconds of 30m, 12h, 7d or 2w. Raises typer.BadParameter."""
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip().lower())
    if not found or not int(found[1]):
        raise typer.BadParameter(f"write the time as 30m, 12h, 7d or 2w, not {text!r}", param_hint="--for")
    return int(found[1]) * UNITS[found[2]]


def _tell(link: Share) -> None:
    """The link on a line of its own, so that it can be taken from there."""
    from interleavethinker.cli.saying import console

    until = f"{link.expires_at.astimezone():%Y-%m-%d %H:%M}" if link.expires_at else "it is revoked"
    console().print(link.url, markup=False)
    console().print(f"[dim]read-only, until {until}[/]")
