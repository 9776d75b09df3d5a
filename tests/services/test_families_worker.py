"""Families of image models through the whole generator: API, queue, a worker process. The klein is in
tests/contracts/test_generator_port.py; here are one of two models and one of two pipelines."""

from __future__ import annotations

from pathlib import Path

import pytest

from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.errors import DrawFailed
from interleavethinker.types import ImageJob, Size
from tests.generator_stack import started
from tests.services.test_families import tiny_settings

pytestmark = [pytest.mark.slow, pytest.mark.redis]


@pytest.mark.parametrize("name", ["sdxl", "z-image"])
async def test_it_draws_edits_and_says_what_it_left_out(name: str, tmp_path: Path):
    with started(tmp_path, own=tiny_settings(name, tmp_path)) as stack:
        client = GeneratorClient(stack.url)
        job = ImageJob(prompt="a red cat", seed=1, size=Size(width=64, height=80))
        first = await client.draw(job)
        other = await client.draw(job.model_copy(update={"seed": 2}))
        edit = await client.draw(job.model_copy(update={"references": (first.image,)}))
        both = await client.draw(job.model_copy(update={"references": (first.image, other.image)}))
        assert (edit.image.width, edit.image.height) == (64, 80)
        assert len({first.image.digest, other.image.digest, edit.image.digest}) == 3
        assert both.reported.endswith("looked at 1 of 2 references, the first") and not edit.reported
        assert ("+" in first.model) is (name == "sdxl")
        steps = {"num_inference_steps": 3, "guidance_scale": 2.0}
        assert (await client.draw(ImageJob(prompt="a blue cat", seed=3, size=job.size, params=steps))).image.width
        with pytest.raises(DrawFailed, match="is not in the image store"):
            missing = first.image.model_copy(update={"digest": "ab" * 32})
            await client.draw(job.model_copy(update={"references": (missing,)}))
        await client.close()
