"""`interleavethinker`: make a document on this machine (`demo`), keep a stack up (`up`), or ask one that is up (`run`).

Exit codes: 0 the document is whole; 1 an error, told in one line; 2 wrong usage; 3 the document was cut short (what was
finished is written); 128 + n after signal n (130: Ctrl-C). The parts are started by `stack`, talked to by `client`, and
the files written by `exports`.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from interleavethinker.client import Client
from interleavethinker.errors import BadSettings, InterleaveError
from interleavethinker.events import Status
from interleavethinker.exports import fetch_images, write_folder
from interleavethinker.live import Telling
from interleavethinker.settings import PREFIX, state_dir
from interleavethinker.types import CriticMode

if TYPE_CHECKING:
    from interleavethinker.stack.local import LocalStack

SNOWMAN = "How do I draw a snowman with a red hat, step by step?"
OUT = Path("out")
CUT_SHORT = 3
STACK_NEEDS = ("fastapi", "celery", "redis", "torch", "diffusers", "services")

app = typer.Typer(
    help="Illustrated documents: planned, drawn, judged and redrawn.", no_args_is_help=True, add_completion=False
)
console = Console()

Request = Annotated[str, typer.Argument(help="what the document should show", show_default=False)]
Out = Annotated[Path, typer.Option("-o", "--out", help="folder for document.html and the rest")]
Seed = Annotated[int, typer.Option(help="the same request and seed give the same document", min=0)]
MaxAttempts = Annotated[int, typer.Option(help="drawings per step, the first one included", min=1, max=20)]
Critic = Annotated[CriticMode, typer.Option(help="off: first drawings stand; strict: only a sure accept counts")]
Pictures = Annotated[list[Path], typer.Option("-i", "--image", help="a picture of the request; may be given again")]


@app.command()
def demo(
    request: Annotated[str, typer.Argument(help="what the document should show")] = SNOWMAN,
    out: Out = OUT,
    seed: Seed = 0,
    max_attempts: MaxAttempts = 5,
    critic: Critic = CriticMode.QUICK,
    image: Pictures = [],  # noqa: B006 - typer wants a list
) -> None:
    """Start a stack of its own, make one document with it, and stop it again."""
    _check_installed()
    from interleavethinker.stack.local import LocalStack, Ports

    began = time.monotonic()
    with _own_home() as home, LocalStack(home, Ports.free(), apart=True) as stack, stack.watched():
        _await(stack)
        ready = time.monotonic()
        with Client(stack.url) as client:
            status = _make(client, request, out, image, seed=seed, max_attempts=max_attempts, critic=critic)
        console.print(
            f"[dim]{time.monotonic() - began:.0f} s in all, {ready - began:.0f} s of it until all parts were ready[/]",
            highlight=False,
        )
        _exit(status)


@app.command()
def up() -> None:
    """Start the stack and leave it running until Ctrl-C."""
    _check_installed()
    from interleavethinker.stack.local import LocalStack, Ports

    with LocalStack(state_dir(), Ports.of_settings()) as stack, stack.watched():
        _await(stack)
        console.print(_hello(stack.url), highlight=False, soft_wrap=True)
        while True:
            signal.pause()


@app.command()
def run(
    request: Request,
    url: Annotated[str, typer.Option(help="where the orchestrator is")] = "http://127.0.0.1:8080",
    out: Out = OUT,
    seed: Seed = 0,
    max_attempts: MaxAttempts = 5,
    critic: Critic = CriticMode.QUICK,
    image: Pictures = [],  # noqa: B006 - typer wants a list
    api_key: Annotated[
        str | None, typer.Option(envvar=f"{PREFIX}API_KEY", help="where the service wants one; better in the variable")
    ] = None,
) -> None:
    """Make one document with a stack that is up somewhere."""
    with Client(url, api_key=api_key) as client:
        _exit(_make(client, request, out, image, seed=seed, max_attempts=max_attempts, critic=critic))


def main() -> None:
    """The console script: every error that has words of ours is one line of them, and an exit code."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except InterleaveError as error:
        _complain(error)
        sys.exit(1)


def _make(client: Client, request: str, out: Path, images: list[Path], **wishes: Any) -> Status:
    """Ask, tell what happens, write the folder; how the run ended. A signal cancels the run."""
    run_id = client.ask(request, images=images, **wishes)
    console.print(f"\n[bold]{escape(request)}[/]  [dim]{run_id}[/]\n", highlight=False, soft_wrap=True)
    telling = Telling(console, lambda digest: client.image(run_id, digest))
    try:
        for recorded in client.follow(run_id):
            telling.tell(recorded)
    except SystemExit:
        client.cancel(run_id)
        raise
    document = client.document(run_id)
    if document.steps:
        path = write_folder(document, fetch_images(document, lambda digest: client.image(run_id, digest)), out)
        console.print(f"\n[bold]{path.absolute()}[/]", highlight=False, soft_wrap=True)
    return document.status


def _await(stack: LocalStack) -> None:
    """Wait for every part, a line each."""
    console.print(f"[dim]starting the parts; their logs are in {stack.logs}[/]", highlight=False, soft_wrap=True)
    with console.status("loading"):
        for ready in stack.until_ready():
            console.print(f"  [green]✓[/] {ready.part:<13} [dim]{ready.seconds:5.1f} s[/]", highlight=False)


def _check_installed() -> None:
    """Raises BadSettings where only the client is installed."""
    if missing := [name for name in STACK_NEEDS if importlib.util.find_spec(name) is None]:
        raise BadSettings(
            f"a stack needs {', '.join(missing)}: `make setup`, or pip install 'interleavethinker[serve,models]'"
        )


@contextmanager
def _own_home() -> Iterator[Path]:
    """A state directory that no other stack has, removed afterwards; after an error it stays, for its logs."""
    state_dir().mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="demo-", dir=state_dir())).absolute()
    done_with = True
    try:
        yield home
    except Exception:
        done_with = False
        raise
    finally:
        if done_with:
            shutil.rmtree(home)


def _hello(url: str) -> str:
    """What a newcomer can type now."""
    body = f'{{"prompt": "{SNOWMAN}"}}'
    return f"""
The stack is up at [bold]{url}[/] (reference: {url}/docs). Ctrl-C stops it. Try:

  curl {url}/interleave -H 'Content-Type: application/json' -H 'Prefer: wait=120' -d '{body}'
  curl -N {url}/interleave -H 'Content-Type: application/json' -H 'Accept: text/event-stream' -d '{body}'
  interleavethinker run "{SNOWMAN}" --url {url}
"""


def _complain(error: InterleaveError) -> None:
    errors = Console(stderr=True)
    errors.print(f"[bold red]error[/] {escape(error.detail)}", highlight=False, soft_wrap=True)
    last = error.extra.get("last")
    for line in last if isinstance(last, list) else []:
        errors.print(f"  {escape(str(line)[:500])}", style="dim", highlight=False, soft_wrap=True)
    if log := error.extra.get("log"):
        errors.print(f"  the whole log: {log}", highlight=False, soft_wrap=True)


def _exit(status: Status) -> None:
    if status is not Status.SUCCEEDED:
        raise typer.Exit(CUT_SHORT if status in (Status.PARTIAL, Status.CANCELED) else 1)


if __name__ == "__main__":
    main()
