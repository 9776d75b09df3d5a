"""`redraw`, `keep`, `resume` and `cancel`: going on with a run that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from interleavethinker.cli import options
from interleavethinker.cli.options import (
    ApiKey,
    Json,
    Later,
    MaxDraws,
    MaxSeconds,
    MaybeOut,
    OtherAttempts,
    OtherSeed,
    OwnReferences,
    Run,
    StepNumber,
    Url,
)

if TYPE_CHECKING:
    from interleavethinker.client.asking import Redrawing


def redraw(
    run: Run,
    step: StepNumber,
    prompt: Annotated[str | None, typer.Option(help="in place of the plan's")] = None,
    seed: OtherSeed = None,
    max_attempts: OtherAttempts = None,
    reference: OwnReferences = [],  # noqa: B006 - typer wants a list
    max_draws: MaxDraws = None,
    max_seconds: MaxSeconds = None,
    later: Later = "stale",
    out: MaybeOut = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Have a step of a finished run drawn again."""
    from interleavethinker.cli.following import check_out, follow
    from interleavethinker.cli.reaching import client_of, run_of, step_of

    wishes: Redrawing = options.given(  # type: ignore[assignment]
        prompt=prompt, seed=seed, max_attempts=max_attempts, later=later, references=reference,
        budget=options.budget(max_draws, max_seconds),
    )  # fmt: skip
    check_out(out)
    with client_of(url, api_key) as client:
        known = run_of(client, run)
        document = known.document()
        meant = step_of(document, step)
        past = list(known) if document.status.final else []
        code = follow(client, lambda: meant.redraw(**wishes), out, as_json=as_json, past=past)
    raise typer.Exit(code)


def keep(
    run: Run,
    step: StepNumber,
    attempt: Annotated[int, typer.Argument(metavar="ATTEMPT", help="its number at the step", min=1)],
    out: MaybeOut = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Let another attempt at a step stand."""
    from interleavethinker.cli.following import check_out, write
    from interleavethinker.cli.reaching import client_of, run_of, step_of
    from interleavethinker.cli.saying import console, outline, print_json, stale

    check_out(out)
    with client_of(url, api_key) as client:
        document = run_of(client, run).document()
        document = step_of(document, step).keep(attempt)
        written = write(document, out) if out else None
    if as_json:
        return print_json(outline(document.value, written))
    return console().print(f"step {step} keeps attempt {attempt}{stale(document.value)}")


def resume(
    run: Run,
    max_draws: MaxDraws = None,
    max_seconds: MaxSeconds = None,
    out: MaybeOut = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Let a run that was cut short, or failed, go on from what stands."""
    from interleavethinker.cli.following import check_out, follow
    from interleavethinker.cli.reaching import client_of, run_of
    from interleavethinker.types import Budget

    check_out(out)
    given = options.budget(max_draws, max_seconds)
    with client_of(url, api_key) as client:
        known = run_of(client, run)
        past = list(known) if known.document().status.final else []
        budget = Budget.model_validate(given) if given else None
        code = follow(client, lambda: known.resume(budget=budget), out, as_json=as_json, past=past)
    raise typer.Exit(code)


def cancel(run: Run, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """End a run; what it has finished stays readable."""
    from interleavethinker.cli.reaching import client_of, run_of
    from interleavethinker.cli.saying import console, print_json

    with client_of(url, api_key) as client:
        known = run_of(client, run)
        answer = known.cancel()
    if as_json:
        return print_json({"id": known.id, "cancel": answer})
    said = {"requested": "canceled", "already_done": "had ended already"}
    return console().print(f"{known.id} {said.get(answer, answer)}")
