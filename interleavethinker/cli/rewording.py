"""`edit` and `insert`: other texts for a step, and a step more."""

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
    from interleavethinker.client.asking import Insertion, StepTexts

Name = Annotated[str | None, typer.Option(help="its heading")]
Instruction = Annotated[str | None, typer.Option(help="what the reader is to do")]
Text = Annotated[str | None, typer.Option(help="what else it says; the API's `auxiliary_text`")]


def edit(
    run: Run,
    step: StepNumber,
    name: Name = None,
    instruction: Instruction = None,
    text: Text = None,
    prompt: Annotated[str | None, typer.Option(help="what its next redraw draws")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Give a step other texts; an empty one, as in --text "", takes it out. Nothing is drawn."""
    from interleavethinker.cli.reaching import client_of, run_of, step_of
    from interleavethinker.cli.saying import console, outline, print_json, stale

    asked = options.given(name=name, instruction=instruction, auxiliary_text=text, prompt=prompt)
    if not asked:
        raise typer.BadParameter("say what is to change: --name, --instruction, --text or --prompt")
    empty = {field: None for field in ("instruction", "auxiliary_text") if asked.get(field) == ""}
    texts: StepTexts = asked | empty  # type: ignore[assignment]
    with client_of(url, api_key) as client:
        document = step_of(run_of(client, run).document(), step).edit(**texts).value
    if as_json:
        return print_json(outline(document, None))
    return console().print(f"step {step} is edited{stale(document)}")


def insert(
    run: Run,
    after: Annotated[int, typer.Argument(metavar="AFTER", help="the number of the step before it; 0: none", min=0)],
    name: Name = None,
    instruction: Instruction = None,
    text: Text = None,
    prompt: Annotated[str | None, typer.Option(help="what is drawn; without one the step is in words only")] = None,
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
    """Put a step more into a finished document, and have it drawn."""
    from interleavethinker.cli.following import check_out, follow
    from interleavethinker.cli.reaching import client_of, run_of, step_of

    wishes: Insertion = options.given(  # type: ignore[assignment]
        name=name, instruction=instruction, auxiliary_text=text, prompt=prompt, seed=seed, max_attempts=max_attempts,
        references=reference, budget=options.budget(max_draws, max_seconds), later=later,
    )  # fmt: skip
    if not any((name, instruction, text, prompt)):
        raise typer.BadParameter("say what the step is: --name, --instruction, --text or --prompt")
    check_out(out)
    with client_of(url, api_key) as client:
        known = run_of(client, run)
        document = known.document()
        before = step_of(document, after, hint="AFTER").index if after else 0
        past = list(known) if document.status.final else []
        code = follow(client, lambda: document.insert(before, **wishes), out, as_json=as_json, past=past)
    raise typer.Exit(code)
