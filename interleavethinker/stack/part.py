"""One part of a local stack: a child process with a log of its own.

It is stopped by SIGTERM, and by SIGKILL where that does not help in time; it is never started again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from interleavethinker.errors import InterleaveError

TETHER = "interleavethinker.stack.tether"
LAST_LINES = 8


class PartDied(InterleaveError):
    """A part ended by itself. `log` is where the rest of its words are."""

    code = "part_died"


class Part:
    """`python -m module arguments`, on a tether, its output in `<logs>/<name>.log`."""

    def __init__(
        self, name: str, module: str, *arguments: str, logs: Path, environment: Mapping[str, str], speaks: bool = False
    ) -> None:
        """`speaks`: its standard output is read by us (`line`) and does not go to the log."""
        self.name = name
        self.log = logs / f"{name}.log"
        with self.log.open("ab") as log:
            self._from = log.tell()
            self._child: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-m", TETHER, module, *arguments],
                stdin=subprocess.PIPE,  # the tether: we hold this end and write nothing
                stdout=subprocess.PIPE if speaks else log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C in a terminal is ours to pass on, in order
            )

    def check(self) -> None:
        """Raises PartDied, with the last lines of the log, when the process has ended."""
        code = self._child.poll()
        if code is None:
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        raise PartDied(f"the {self.name} {how}; its last words are", log=str(self.log), last=self.last_lines())

    def line(self) -> str:
        """The next line that it says. Raises PartDied when it ends instead."""
        out: IO[bytes] | None = self._child.stdout
        assert out is not None, "only a part that speaks is listened to"
        said = out.readline().decode().strip()
        if not said:
            self._child.wait()
            self.check()
        return said

    def last_lines(self) -> list[str]:
        """The end of what it has logged since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            lines = log.read().decode(errors="replace").splitlines()
        return [line for line in lines if line.strip()][-LAST_LINES:]

    def ask_to_end(self) -> None:
        """SIGTERM; returns at once."""
        self._child.terminate()

    def end(self, deadline: float) -> None:
        """Wait for its end until `deadline` (monotonic seconds), then kill it with all that it started."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(max(0.0, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                pipe.close()
