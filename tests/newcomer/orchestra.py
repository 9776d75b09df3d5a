"""A real orchestrator over HTTP, in a thread of this process, with fakes behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from interleavethinker.blobs import DirectoryBlobs
from services.orchestrator.app import create_app
from services.orchestrator.settings import OrchestratorSettings
from tests.fakes import ACCEPT, FakeCritic, FakeGenerator, FakePlanner, revise, steps_of
from tests.generator_stack import serving

PROMPT = "how to build a snowman"
VERDICTS = (ACCEPT, revise("a red hat at b2"), ACCEPT)


@contextmanager
def orchestra(
    home: Path,
    *,
    pause: float = 0.0,
    auth: Literal["off", "keys"] = "off",
    broken: Sequence[str] = (),
    step_seconds: float | None = None,
    **more: Any,
) -> Iterator[str]:
    """Its URL. It makes three steps: one accepted at once, one redrawn, one in words only. `broken`: prompts that
    cannot be drawn; `step_seconds`: how long a denoising step takes; `more`: settings."""
    blobs = DirectoryBlobs(home / "blobs")
    settings = OrchestratorSettings(journal=f"sqlite:///{home}/journal.db", auth=auth, **more)
    generator = FakeGenerator(blobs, pause=pause, broken=broken)
    if step_seconds is not None:
        generator.step_seconds = step_seconds
    app = create_app(
        settings,
        planner=FakePlanner(steps_of("a ball", "a red hat", None), pause=pause),
        critic=FakeCritic(VERDICTS, pause=pause),
        generator=generator,
        blobs=blobs,
    )
    with serving(app) as url:
        yield url
