"""How a part's C library keeps freed memory: the environment that holds long-running parts flat (glibc; others ignore
it).

This is the one place of these values: the local stack and the trials in `bench/` take them from here, and deploy files
quote them. What the user has set stays. Measured in docs/reliability.md, reasoned in docs/decisions/0039.
"""

from __future__ import annotations

ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""For every part: threads share two heaps instead of eight per core, which each keep what was freed in them."""
TRIMMED = ARENAS | {"MALLOC_TRIM_THRESHOLD_": "131072"}
"""For parts that only serve: 128 KB free at a heap's end go back. Not where a model computes on a CPU: it makes
each large tensor a mapping of its own, and torch took 30 % more CPU time."""
WITH_MODELS = frozenset({"worker", "planner", "critic"})


def kept_flat(part: str) -> dict[str, str]:
    """The environment for the part of this name; `worker-far` is a worker too."""
    return dict(ARENAS if part.partition("-")[0] in WITH_MODELS else TRIMMED)
