"""The stack that a command talks to, and the run and the step that it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from interleavethinker.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from interleavethinker.client import Client, Run, RunDocument, RunStep

NOBODY = (
    "nothing answers at {url}: start a stack with `interleavethinker serve`, name one with --url, or add --local to "
    "start one for this document only"
)


@contextmanager
def client_of(url: str | None, api_key: str | None) -> Iterator[Client]:
    """A client of the stack at `url`. Where no address was given, that nobody is there says how to begin."""
    import stamina.instrumentation

    from interleavethinker.client import Client, Unreached

    stamina.instrumentation.set_on_retry_hooks([])  # what is asked again is no line of a command's output
    with Client(url, api_key=api_key) as client:
        try:
            yield client
        except Unreached as error:
            if url:
                raise
            raise Unavailable(NOBODY.format(url=client.url)) from error


def run_of(client: Client, name: str) -> Run:
    """The run with this id, or the caller's newest one. Raises NotFound."""
    if name != "last":
        return client.run(name)
    for run in client.runs(page=1):
        return run
    raise NotFound("there is no run yet")


def step_of(document: RunDocument, number: int, *, hint: str = "STEP") -> RunStep:
    """The one that readers see under this number. Raises typer.BadParameter."""
    try:
        return document.step(number)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint=hint) from error
