"""`serve` and `up`: a stack on this machine until Ctrl-C; and the stack that lasts for one document."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from interleavethinker.stack.local import LocalStack

STACK_NEEDS = ("fastapi", "celery", "redis", "torch", "diffusers", "services")


@dataclass
class OwnStack:
    """A stack that is ready; `ready`: after how many seconds."""

    url: str
    ready: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        return time.monotonic() - self.began


def serve() -> None:
    """Start the stack on this machine and leave it running until Ctrl-C."""
    from interleavethinker.cli.saying import console

    _check_installed()
    from interleavethinker.settings import state_dir
    from interleavethinker.stack.local import LocalStack
    from interleavethinker.stack.places import Ports

    screen = console()
    with LocalStack(state_dir(), Ports.of_settings()) as stack, stack.watched():
        _await(stack, screen)
        screen.print(_hello(stack.url))
        while True:
            signal.pause()


@contextmanager
def own_stack(screen: Console) -> Iterator[OwnStack]:
    """A stack with everything of its own, beside any other, and gone afterwards."""
    _check_installed()
    from interleavethinker.stack.local import LocalStack
    from interleavethinker.stack.places import Ports

    own = OwnStack("")
    with _own_home() as home, LocalStack(home, Ports.free(), apart=True) as stack, stack.watched():
        _await(stack, screen)
        own.url, own.ready = stack.url, own.seconds()
        yield own


def _check_installed() -> None:
    """Raises BadSettings where only the client is installed."""
    from interleavethinker.errors import BadSettings

    if missing := [name for name in STACK_NEEDS if importlib.util.find_spec(name) is None]:
        raise BadSettings(
            f"a stack needs {', '.join(missing)}: `make setup`, or pip install 'interleavethinker[serve,models]'"
        )


def _await(stack: LocalStack, screen: Console) -> None:
    """Wait for every part, a line each."""
    screen.print(f"[dim]starting the parts; their logs are in {stack.logs}[/]")
    with screen.status("loading"):
        for ready in stack.until_ready():
            screen.print(f"  [green]✓[/] {ready.part:<13} [dim]{ready.seconds:5.1f} s[/]")


@contextmanager
def _own_home() -> Iterator[Path]:
    """A state directory that no other stack has, removed afterwards; after an error it stays, for its logs."""
    from interleavethinker.settings import state_dir

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
    from interleavethinker.cli.making import SNOWMAN

    body = f'{{"prompt": "{SNOWMAN}"}}'
    return f"""
The stack is up at [bold]{url}[/] (reference: {url}/docs). Ctrl-C stops it. Try:

  curl {url}/interleave -H 'Content-Type: application/json' -H 'Prefer: wait=120' -d '{body}'
  curl -N {url}/interleave -H 'Content-Type: application/json' -H 'Accept: text/event-stream' -d '{body}'
  interleavethinker run "{SNOWMAN}" --url {url}
"""
