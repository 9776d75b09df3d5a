"""`python -m interleavethinker.stack.tether MODULE [ARGUMENT ...]`: run a module, for as long as its parent lives.

The parent holds the other end of this process's standard input and never writes to it. However the parent ends, killed
or not, the kernel closes that end, which is read here as the rope going slack.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 15.0
"""What a part gets to finish what it has in hand."""


def main() -> None:
    threading.Thread(target=_end_with_parent, name="tether", daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
