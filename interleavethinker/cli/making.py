"""`run`, which is also the bare form, and `demo`: a document from the wish to the folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from interleavethinker.cli import options
from interleavethinker.cli.options import (
    LIMITS,
    REACH,
    SHAPE,
    Anchor,
    ApiKey,
    Candidates,
    Characters,
    Critic,
    Generator,
    IndependentSteps,
    Json,
    MaxAttempts,
    MaxDraws,
    MaxSeconds,
    MaxSteps,
    Out,
    Pictures,
    References,
    Request,
    Seed,
    Size,
    Style,
    Url,
)

SNOWMAN = "How do I draw a snowman with a red hat, step by step?"
OUT = Path("out")

__all__ = ["LIMITS", "OUT", "SHAPE", "SNOWMAN", "demo", "run"]


def run(
    request: Request,
    out: Out = OUT,
    local: Annotated[
        bool,
        typer.Option("--local", help="start a stack on this machine for this document only", rich_help_panel=REACH),
    ] = False,
    url: Url = None,
    api_key: ApiKey = None,
    seed: Seed = 0,
    critic: Critic = "quick",
    image: Pictures = [],  # noqa: B006 - typer wants a list
    reference: References = [],  # noqa: B006
    size: Size = None,
    generator: Generator = None,
    style: Style = "",
    characters: Characters = "",
    anchor: Anchor = None,
    independent_steps: IndependentSteps = False,
    candidates: Candidates = 1,
    max_attempts: MaxAttempts = 5,
    max_steps: MaxSteps = None,
    max_draws: MaxDraws = None,
    max_seconds: MaxSeconds = None,
    review: Annotated[bool, typer.Option("--review", help="ask before anything is drawn of the plan")] = False,
    as_json: Json = False,
) -> None:
    """Make one document and watch it being made. `run` may be left out."""
    wishes = {
        "seed": seed, "critic": critic, "images": image, "references": reference, "size": options.size(size),
        "max_attempts": max_attempts, "max_steps": max_steps, "budget": options.budget(max_draws, max_seconds),
        "generator": generator, "style": style or None, "characters": characters or None, "review_plan": review,
        "anchor": anchor, "independent_steps": independent_steps or None, "candidates": candidates,
    }  # fmt: skip
    wish = sys.stdin.read().strip() if request == "-" else request
    if local:
        if url:
            raise typer.BadParameter("give either --local or --url")
        _on_a_stack_of_its_own(wish, out, wishes, review=review, as_json=as_json)
    _on_a_stack_that_is_up(url, api_key, wish, out, wishes, review=review, as_json=as_json)


def demo(
    request: Annotated[str, typer.Argument(help="what the document should show")] = SNOWMAN,
    out: Out = OUT,
    seed: Seed = 0,
    max_attempts: MaxAttempts = 5,
    critic: Critic = "quick",
    image: Pictures = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Start a stack of its own, make one document with it, and stop it again."""
    wishes = {"seed": seed, "critic": critic, "images": image, "max_attempts": max_attempts}
    _on_a_stack_of_its_own(request, out, wishes, review=False, as_json=as_json)


def _on_a_stack_that_is_up(
    url: str | None, api_key: str | None, wish: str, out: Path, wishes: dict[str, Any], *, review: bool, as_json: bool
) -> None:
    from interleavethinker.cli.following import check_out, follow
    from interleavethinker.cli.reaching import client_of

    check_out(out)
    with client_of(url, api_key) as client:
        code = follow(client, lambda: client.interleave(wish, **wishes), out, as_json=as_json, review=review)
    raise typer.Exit(code)


def _on_a_stack_of_its_own(wish: str, out: Path, wishes: dict[str, Any], *, review: bool, as_json: bool) -> None:
    from interleavethinker.cli.following import check_out, follow
    from interleavethinker.cli.reaching import client_of
    from interleavethinker.cli.saying import console
    from interleavethinker.cli.serving import own_stack

    check_out(out)
    screen = console(silent=as_json)
    with own_stack(screen) as own, client_of(own.url, None) as client:
        code = follow(client, lambda: client.interleave(wish, **wishes), out, as_json=as_json, review=review)
        screen.print(f"[dim]{own.seconds():.0f} s in all, {own.ready:.0f} s of it until all parts were ready[/]")
    raise typer.Exit(code)
