"""Rewards' redraws through the real pool: HTTP service, Celery queue on Redis, worker process, shared blobs."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.types import Critique
from tests import lessons
from tests.generator_stack import GeneratorStack, session_stack
from training.data.values import RlExample
from training.judge import Scores
from training.redraws import Redraws

BAD, BETTER = (Scores(semantics=s, quality=9, success=s > 5) for s in (2, 9))
EXAMPLES = (
    RlExample(lessons.PROMPT, lessons.PROMPT, lessons.BEFORE, lessons.WRONG, BAD, seed=1),
    RlExample("a moon", "a moon", None, lessons.WRONG, BAD, seed=3),
)


class Looking:
    """A judge that opens the picture that it is to score, from the store."""

    def __init__(self, stack: GeneratorStack) -> None:
        self.blobs, self.seen = stack.blobs, list[tuple[int, int]]()

    async def score(self, critique: Critique) -> Scores:
        with Image.open(io.BytesIO(await self.blobs.get(critique.after.digest))) as picture:
            self.seen.append(picture.size)
        return BETTER


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GeneratorStack:
    return session_stack(request.config, tmp_path_factory)


@pytest.mark.redis
def test_workers_of_the_generator_service_redraw(stack: GeneratorStack):
    judge = Looking(stack)
    with Redraws(GeneratorClient(stack.url), judge, stack.blobs, timeout=60) as redraws:
        asked = [(EXAMPLES[0], "a red boat"), (EXAMPLES[1], "the moon"), (EXAMPLES[0], "a red boat")]
        assert redraws.scores(asked) == [BETTER] * 3
        assert not redraws.failures
    assert len(judge.seen) == 2  # equal ones once


@pytest.mark.redis
def test_a_service_that_is_away_drops_the_samples_and_says_why(stack: GeneratorStack, free_port):
    nobody = GeneratorClient(f"http://127.0.0.1:{free_port()}")
    with Redraws(nobody, Looking(stack), stack.blobs, timeout=1.0) as redraws:
        assert redraws.scores([(EXAMPLES[0], "a red boat")]) == [None]
        assert sum(redraws.failures.values()) == 1
    asyncio.run(nobody.close())
