"""How much memory a worker takes, as it says with each sign of life.

Nothing is imported for it: where torch is not loaded, or has opened no GPU, there is no GPU memory to tell.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_STATM = Path("/proc/self/statm")


class Memory(NamedTuple):
    """In bytes; None where it cannot be known. The GPU's is the whole device's, whoever holds it: that is what runs
    out."""

    resident: int | None = None
    gpu_used: int | None = None
    gpu_total: int | None = None


def taken() -> Memory:
    """By this process, now."""
    resident = None
    with suppress(OSError, ValueError, IndexError):  # another system than Linux
        resident = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Memory(resident, *_of_the_gpu())


def _of_the_gpu() -> tuple[int | None, int | None]:
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_initialized():
            return None, None
        free, total = torch.cuda.mem_get_info()
    except (AttributeError, RuntimeError):  # half imported, or its context is broken: the drawing says so, not this
        return None, None
    return total - free, total
