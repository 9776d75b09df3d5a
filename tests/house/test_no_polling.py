"""Nothing on a document's path waits by sleeping: whoever waits is woken. The sleeps that there are stand here."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
ON_THE_PATH = (
    "services/orchestrator",
    "services/generator_service",
    "services/planner_service",
    "services/critic_service",
    "interleavethinker/clients",
    "interleavethinker/chat",
)
SLEEPS = {
    "services/generator_service/hosted/calling.py": "a hosted service that said no is asked again later",
    "services/generator_service/metrics.py": "Redis is away: nothing can be counted",
    "services/orchestrator/claims.py": "the database is away, or a look failed",
    "services/orchestrator/following.py": "how often progress is told to a follower; no run waits for it",
    "services/orchestrator/making.py": "the journal took nothing: the run is held for a moment",
    "services/orchestrator/news.py": "a cut connection; progress to other replicas",
    "services/orchestrator/patience.py": "a service is away",
    "services/orchestrator/webhooks.py": "deliveries to others that are due again",
    "interleavethinker/clients/generator.py": "the stream of progress was cut; no drawing waits for it",
}
"""Where something sleeps, and why nobody who waits for a picture, a verdict or an event waits for that."""


def test_whoever_sleeps_is_known():
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ON_THE_PATH
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _name(node.func) == "sleep"
    }
    assert found == set(SLEEPS)


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
