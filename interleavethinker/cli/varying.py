"""`branch` and `continue`: a new run that begins from one that there is, which stays as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from interleavethinker.cli import options
from interleavethinker.cli.options import (
    ApiKey,
    Generator,
    Json,
    MaxDraws,
    MaxSeconds,
    MaxSteps,
    MaybeOut,
    OtherAttempts,
    OtherCritic,
    OtherSeed,
    Run,
    StepNumber,
    Url,
)

if TYPE_CHECKING:
    from interleavethinker.client.asking import Continuation, Variations


def branch(
    run: Run,
    step: StepNumber,
    seed: OtherSeed = None,
    critic: OtherCritic = None,
    generator: Generator = None,
    max_attempts: OtherAttempts = None,
    max_draws: MaxDraws = None,
    max_seconds: MaxSeconds = None,
    out: MaybeOut = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Begin a new run that shares the steps before STEP and draws the others itself."""
    from interleavethinker.cli.following import check_out, follow
    from interleavethinker.cli.reaching import client_of, run_of, step_of

    wishes: Variations = options.given(  # type: ignore[assignment]
        seed=seed, critic=critic, generator=generator, max_attempts=max_attempts,
        budget=options.budget(max_draws, max_seconds),
    )  # fmt: skip
    check_out(out)
    with client_of(url, api_key) as client:
        document = run_of(client, run).document()
        begins = step_of(document, step).index
        code = follow(client, lambda: document.branch(begins, **wishes), out, as_json=as_json)
    raise typer.Exit(code)


def continue_(
    run: Run,
    request: Annotated[str, typer.Argument(help="what comes next; `-` reads it from standard input")],
    seed: OtherSeed = None,
    critic: OtherCritic = None,
    generator: Generator = None,
    max_attempts: OtherAttempts = None,
    max_steps: MaxSteps = None,
    max_draws: MaxDraws = None,
    max_seconds: MaxSeconds = None,
    review: Annotated[bool, typer.Option("--review", help="ask before anything is drawn of the plan")] = False,
    out: MaybeOut = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Begin a new run that goes on where a document stops."""
    from interleavethinker.cli.following import check_out, follow
    from interleavethinker.cli.reaching import client_of, run_of

    wishes: Continuation = options.given(  # type: ignore[assignment]
        seed=seed, critic=critic, generator=generator, max_attempts=max_attempts, max_steps=max_steps,
        review_plan=review, budget=options.budget(max_draws, max_seconds),
    )  # fmt: skip
    wish = sys.stdin.read().strip() if request == "-" else request
    check_out(out)
    with client_of(url, api_key) as client:
        document = run_of(client, run).document()
        code = follow(client, lambda: document.continue_(wish, **wishes), out, as_json=as_json, review=review)
    raise typer.Exit(code)
