"""What a run takes of the machine that it is on. Measures this process only."""

from __future__ import annotations

import resource
import sys

import torch


def peak_gb() -> float:
    """The most memory that this process has held so far, in GB: tensors on its GPU, or all of it on a CPU."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
