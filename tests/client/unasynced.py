"""Makes `interleavethinker/client/_sync` from `_async`: `python -m tests.client.unasynced`, or `make client`.

unasync exchanges the names and drops `async` and `await`; ruff puts the result in order, as it does for what is
written by hand.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tokenize_rt
import unasync

CLIENT = Path(__file__).parents[2] / "interleavethinker" / "client"
WRITTEN, MADE = CLIENT / "_async", CLIENT / "_sync"
NAMES = {
    "_async": "_sync",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "AsyncRetryingCaller": "RetryingCaller",
    "AsyncEdits": "Edits",
    "AsyncRun": "Run",
    "AsyncRunDocument": "RunDocument",
    "AsyncRunStep": "RunStep",
    "AsyncWire": "Wire",
    "aclose": "close",
    "aclosing": "closing",
    "aiter_lines": "iter_lines",
    "apart_async": "apart",
    "at_once_async": "at_once",
    "pause_async": "pause",
    "aread": "read",
}
NOTE = "# Made from the file of this name in `_async` by `make client`: change that one.\n"
INIT = (
    '"""The client\'s calls for programs without an event loop: made from `_async` by `make client`, not by hand."""\n'
)
BEGIN = "from __future__ import annotations\n"


def made() -> dict[Path, str]:
    """What each file of `_sync` is to hold."""
    rule = unasync.Rule(str(WRITTEN), str(MADE), additional_replacements=NAMES)
    found = {MADE / "__init__.py": INIT}
    for path in sorted(WRITTEN.glob("[!_]*.py")):
        tokens = tokenize_rt.src_to_tokens(path.read_text(encoding="utf-8"))
        text = tokenize_rt.tokens_to_src(list(rule._unasync_tokens(tokens)))
        found[MADE / path.name] = _in_order(text.replace(BEGIN, NOTE + BEGIN, 1), path.name)
    return found


def _in_order(text: str, name: str) -> str:
    ruff, named = Path(sys.executable).with_name("ruff"), ("--stdin-filename", str(MADE / name), "-")
    ours = ("--config", 'lint.isort.known-first-party = ["interleavethinker"]')  # also where nothing is made yet
    for words in (("check", "--quiet", "--fix-only", *ours), ("format", "--quiet")):
        text = subprocess.run([ruff, *words, *named], input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
