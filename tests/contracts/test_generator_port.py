"""The contract of `ports.Generator`, for every implementation: an in-test fake, and the client of a real stack, with a
model of its own and with servers of other protocols that draw for it."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from PIL import Image

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.clients.generator import GeneratorClient
from interleavethinker.errors import Canceled, DrawFailed
from interleavethinker.ports import Blobs, DrawProgress, Foretelling, Generator, Previews, put_image, watching
from interleavethinker.types import Drawing, GenerationParams, ImageJob, ImageRef, Size
from tests.fake_generator import FakeGenerator
from tests.generator_stack import session_stack
from tests.servers.gemini_server import LONG

SERVICES = [pytest.param(kind, marks=pytest.mark.redis) for kind in ("diffusers", "openai_images", "gemini")]


@pytest.fixture(params=["fake", *SERVICES])
async def room(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, blobs: DirectoryBlobs
) -> AsyncIterator[tuple[Generator, Blobs]]:
    """A generator, and the image store that it shares."""
    if request.param == "fake":
        yield FakeGenerator(blobs), blobs
        return
    stack = await asyncio.to_thread(session_stack, request.config, tmp_path_factory, request.param)
    client = GeneratorClient(stack.url)
    yield client, stack.blobs
    await client.close()


class NewJob(Protocol):
    def __call__(self, long: bool = False, **fields: object) -> ImageJob: ...


@pytest.fixture
def new_job(request: pytest.FixtureRequest) -> NewJob:
    """Makes jobs that nobody asked for before. A `long` one takes seconds: by its steps, or where the model takes no
    such number, since the server under test knows some words."""
    wordy = request.node.callspec.params["room"] == "gemini"

    def make(long: bool = False, **fields: object) -> ImageJob:
        prompt = f"a red cat {uuid.uuid4()}" + (f", {LONG}" if wordy and long else "")
        params = GenerationParams() if wordy else GenerationParams(num_inference_steps=200 if long else 1)
        return ImageJob.model_validate({"prompt": prompt, "seed": 1, "params": params} | fields)

    return make


async def test_a_drawing_is_in_the_store_in_the_size_it_says(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, blobs = room
    job = new_job(size=Size(width=96, height=64))
    drawing = await generator.draw(job)
    assert drawing.job_id == job.id
    assert (drawing.image.width, drawing.image.height) == (96, 64)
    assert (await blobs.get(drawing.image.digest)).startswith(b"\x89PNG")


async def test_the_same_job_is_drawn_once(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    job = new_job()
    first, second = await asyncio.gather(generator.draw(job), generator.draw(job))
    assert first == second == await generator.draw(job)  # times included: it is the same drawing, not an equal one


async def test_seed_and_reference_change_the_picture(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    job = new_job()
    canvas = (await generator.draw(job)).image
    other = await generator.draw(job.model_copy(update={"seed": 2}))
    edited = await generator.draw(job.model_copy(update={"references": (canvas,)}))
    assert len({canvas.digest, other.image.digest, edited.image.digest}) == 3


async def test_a_missing_reference_fails_in_words(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    missing = ImageRef(digest="ab" * 32, width=64, height=64)
    with pytest.raises(DrawFailed, match=r"abab.* is not in the image store"):
        await generator.draw(new_job(references=(missing,)))


async def test_a_reference_that_is_no_picture_fails_in_words(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, blobs = room
    text = await put_image(blobs, b"no picture", width=64, height=64)
    with pytest.raises(DrawFailed, match="is no readable PNG, JPEG, WEBP picture"):
        await generator.draw(new_job(references=(text,)))


async def test_a_foreseen_job_is_drawn_as_any_other(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    job = new_job()
    await generator.foresee(job)
    assert (await generator.draw(job)).job_id == job.id


async def test_a_hints_picture_can_be_waited_for(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    job = new_job()
    assert isinstance(generator, Foretelling)
    assert await generator.hinted(job) is None, "nobody hinted at it"
    await generator.foresee(job)
    drawing = await generator.hinted(job)
    assert drawing == await generator.draw(job)


@pytest.mark.parametrize("room", ["fake", SERVICES[0]], indirect=True)  # a server of others shows nothing meanwhile
async def test_who_watches_is_told_and_can_see_it(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    params = GenerationParams(num_inference_steps=200)
    job, told = new_job(params=params, size=Size(width=128, height=128)), list[DrawProgress]()
    token = watching.set(told.append)
    drawing = await generator.draw(job)
    watching.reset(token)
    assert drawing.job_id == job.id
    assert {each.job_id for each in told} == {job.id}
    steps = [each.done for each in told]
    assert steps == sorted(steps) and steps[-1] > 1
    assert all(0 <= each.done <= each.of for each in told) and {each.of for each in told} <= {0, 200}
    assert told[-1].previews > 0 and isinstance(generator, Previews)
    preview = await generator.preview(job.id)
    assert preview and max(Image.open(io.BytesIO(preview)).size) <= 256
    assert await generator.preview("ab" * 32) is None


async def test_who_watches_gets_what_was_drawn_before(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    job = new_job()
    drawing = await generator.draw(job)
    token = watching.set(lambda _: None)
    assert await generator.draw(job) == drawing
    watching.reset(token)


async def test_forgetting_ends_the_drawing(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    job = new_job(long=True)
    drawing = asyncio.create_task(generator.draw(job))
    while not drawing.done():
        await asyncio.sleep(0.1)
        await generator.forget(job)
    with pytest.raises(Canceled):
        await drawing


async def test_what_was_forgotten_can_be_drawn(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    job = new_job()
    await generator.foresee(job)
    await generator.forget(job)
    assert (await generator.draw(job)).job_id == job.id


async def test_forgetting_the_unknown_and_the_done_does_nothing(room: tuple[Generator, Blobs], new_job: NewJob):
    generator, _ = room
    job = new_job()
    await generator.forget(job)
    drawing: Drawing = await generator.draw(job)
    await generator.forget(job)
    assert await generator.draw(job) == drawing
