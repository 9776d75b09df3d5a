"""A run that is canceled over HTTP stops the real worker at its next denoising step, and leaves no hint behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx2
import pytest

from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.jobs import JobState, JobStatus
from interleavethinker.types import GenerationParams, ImageJob
from services.orchestrator.app import create_app
from services.orchestrator.rules import attempt_seed
from services.orchestrator.settings import OrchestratorSettings
from tests.fakes import ACCEPT, FakeCritic, FakePlanner, steps_of
from tests.generator_stack import GeneratorStack, serving, session_stack

pytestmark = [pytest.mark.redis, pytest.mark.slow]
LONG, SIDE = 200, {"width": 384, "height": 384}
"""Denoising steps of a drawing that takes seconds on a quick machine too, and its size."""


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GeneratorStack:
    return session_stack(request.config, tmp_path_factory)


@pytest.fixture
def orchestrator(stack: GeneratorStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Plans two steps; the critic thinks for as long as nobody stops it."""
    journal = tmp_path_factory.mktemp("cancel") / "journal.db"
    app = create_app(
        OrchestratorSettings(journal=f"sqlite:///{journal}", speculate=True),
        planner=FakePlanner(steps_of("a hill in the morning", "a hill in the evening")),
        critic=FakeCritic([ACCEPT], pause=600),
        generator=GeneratorClient(stack.url),
        blobs=stack.blobs,
    )
    with serving(app) as url, httpx2.Client(base_url=url, timeout=60) as client:
        yield client


def job(prompt: str, step: int, seed: int, steps: int, **fields: object) -> ImageJob:
    params = GenerationParams(num_inference_steps=steps)
    return ImageJob.model_validate(
        {"prompt": prompt, "seed": attempt_seed(seed, step, 1), "params": params.model_dump(), "size": SIDE, **fields}
    )


def looked_at(stack: GeneratorStack, wanted: ImageJob) -> JobStatus | None:
    response = httpx2.get(f"{stack.url}/v1/images/{wanted.id}")
    return (
        JobStatus.model_validate_json(response.content) if response.status_code == 200 or response.is_success else None
    )


def until(looks, seconds: float = 300):
    """What `looks` gives once it gives something."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := looks():
            return found
        pause.wait(0.02)
    pytest.fail("it never came")


def in_state(stack: GeneratorStack, wanted: ImageJob, state: JobState, step: int = 0):
    status = looked_at(stack, wanted)
    return status if status and status.state is state and status.progress.step >= step else None


def test_a_canceled_run_stops_its_drawing_at_the_next_step(stack: GeneratorStack, orchestrator: httpx2.Client):
    ask = {"prompt": "a hill", "seed": 301, "size": SIDE, "params": {"num_inference_steps": LONG}}
    run = orchestrator.post("/interleave", json=ask).json()["id"]
    wanted = job("a hill in the morning", 1, 301, LONG)
    until(lambda: in_state(stack, wanted, JobState.DRAWING, step=1))
    assert orchestrator.delete(f"/interleave/{run}").json() == {"cancel": "requested"}
    at_answer = looked_at(stack, wanted)
    ended = until(lambda: in_state(stack, wanted, JobState.CANCELED))
    assert at_answer and ended.progress.step <= at_answer.progress.step + 1 < LONG
    assert orchestrator.get(f"/interleave/{run}").json()["status"] == "canceled"
    assert orchestrator.delete(f"/interleave/{run}").json() == {"cancel": "already_done"}


def test_a_canceled_run_withdraws_its_hint(stack: GeneratorStack, orchestrator: httpx2.Client):
    ask = {"prompt": "a hill", "seed": 302, "size": SIDE, "params": {"num_inference_steps": LONG}}
    run = orchestrator.post("/interleave", json=ask).json()["id"]
    drawn = until(lambda: in_state(stack, job("a hill in the morning", 1, 302, LONG), JobState.DONE))
    reference = drawn.drawing.image.model_dump()
    hinted = job("a hill in the evening", 2, 302, LONG, references=[reference])
    until(lambda: looked_at(stack, hinted))
    assert orchestrator.delete(f"/interleave/{run}").json() == {"cancel": "requested"}
    ended = until(lambda: (status := looked_at(stack, hinted)) and status.state.final and status)
    assert ended.state is JobState.CANCELED
