"""The drift figures: nought for the same picture, one for its opposite, colour apart from layout; and their metric."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from prometheus_client import REGISTRY

from interleavethinker import http
from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.document import Document, fold
from interleavethinker.errors import NotFound
from interleavethinker.events import Created, Drawn, Recorded, StepFinished, StepPlanned
from interleavethinker.ports import put_image
from interleavethinker.types import Brief, Drawing, ImageJob, ImageRef, InterleaveRequest
from services.orchestrator.drift import distances, drifts
from services.orchestrator.drift_meter import MOST, DriftMeter
from services.orchestrator.journal import Journal
from services.orchestrator.runs import Runs
from tests.fake_generator import FakeGenerator
from tests.fakes import FakeCritic, FakePlanner, steps_of


def encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def halves(left: str, right: str, side: int = 64) -> Image.Image:
    picture = Image.new("RGB", (side, side), left)
    picture.paste(right, (side // 2, 0, side, side))
    return picture


def test_the_same_picture_at_another_size_has_not_drifted():
    assert distances(encoded(halves("red", "white")), encoded(halves("red", "white", 256))) == (0.0, 0.0)


def test_what_moves_changes_the_layout_and_not_the_colours():
    picture = halves("black", "white")
    assert distances(encoded(picture), encoded(ImageOps.mirror(picture))) == (0.0, 1.0)


def test_another_palette_changes_the_colours():
    colour, layout = distances(encoded(halves("black", "white")), encoded(halves("black", "red")))
    assert colour == 0.5 and 0 < layout < 0.5


async def story(blobs: DirectoryBlobs, anchor: int | None = None) -> Document:
    """Of a red, a green and a blue picture."""
    request = InterleaveRequest(brief=Brief(prompt="a story"), anchor=anchor)
    events: list = [Created(request=request)]
    for step, colour in zip(steps_of("a", "b", "c"), ("red", "green", "blue"), strict=True):
        image = await put_image(blobs, encoded(Image.new("RGB", (32, 32), colour)), width=32, height=32)
        job = ImageJob(prompt="p", seed=step.index)
        drawing = Drawing(job_id=job.id, image=image)
        events += [StepPlanned(step=step), Drawn(step=step.index, number=1, job=job, drawing=drawing)]
        events.append(StepFinished(step=step.index, kept=1))
    now = datetime.now(UTC)
    return fold([Recorded(run_id="run_1", seq=seq, at=now, event=event) for seq, event in enumerate(events, 1)])


@pytest.mark.parametrize(("anchor", "expected"), [(None, [(2, 1), (3, 1)]), (2, [(1, 2), (3, 2)]), (9, [])])
async def test_each_step_is_told_from_its_anchor(tmp_path: Path, anchor: int | None, expected: list):
    blobs = DirectoryBlobs(tmp_path)
    document = await story(blobs, anchor)
    found = await drifts(document, blobs)
    assert [(each.step, each.anchor) for each in found] == expected
    assert all(each.colour == 1.0 for each in found)


async def test_a_picture_that_was_collected_leaves_no_figure(tmp_path: Path):
    gone = ImageRef(digest="a" * 64, width=8, height=8)
    events: list = [Created(request=InterleaveRequest(brief=Brief(prompt="a story")))]
    for step in steps_of("a", "b"):
        job = ImageJob(prompt="p", seed=step.index)
        drawn = Drawn(step=step.index, number=1, job=job, drawing=Drawing(job_id=job.id, image=gone))
        events += [StepPlanned(step=step), drawn, StepFinished(step=step.index, kept=1)]
    now = datetime.now(UTC)
    document = fold([Recorded(run_id="run_1", seq=seq, at=now, event=event) for seq, event in enumerate(events, 1)])
    assert await drifts(document, DirectoryBlobs(tmp_path)) == []


def measured(measure: str) -> float:
    return REGISTRY.get_sample_value("interleavethinker_drift_count", {"measure": measure}) or 0.0


async def measures(more: int, then: Callable[[], Awaitable[None]]) -> None:
    """So many drifts more are measured, in a while, because of that; and no more."""
    before = measured("colour")
    await then()
    async with asyncio.timeout(20):
        while measured("colour") < before + more:  # noqa: ASYNC110 - a metric tells nobody
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert (measured("colour"), measured("layout") > 0) == (before + more, True)


async def test_only_what_was_settled_is_measured_and_trouble_with_one_is_not_the_next_ones(tmp_path: Path):
    blobs = DirectoryBlobs(tmp_path)
    documents = {"run_1": await story(blobs)}
    asked: list[tuple[str, str | None]] = []

    async def document(run_id: str) -> Document:
        asked.append((run_id, http.tenant.get()))
        if run_id not in documents:
            raise NotFound("gone")
        return documents[run_id]

    async with DriftMeter(document, blobs) as meter:

        async def end() -> None:
            http.tenant.set("acme")
            meter.ended("run_gone", {1, 2})
            http.tenant.set(None)
            meter.ended("run_empty", set())
            meter.ended("run_1", {1, 3})

        await measures(1, end)
    assert asked == [("run_gone", "acme"), ("run_1", None)]


async def test_what_comes_while_too_many_wait_is_left_out(tmp_path: Path):
    asked: list[str] = []

    async def document(run_id: str) -> Document:
        asked.append(run_id)
        raise NotFound("gone")

    async with DriftMeter(document, DirectoryBlobs(tmp_path)) as meter:
        for number in range(MOST + 9):
            meter.ended(f"run_{number}", {1})
        await asyncio.sleep(0.1)
        assert asked == [f"run_{number}" for number in range(MOST)]


async def test_a_run_that_has_ended_is_measured(tmp_path: Path):
    blobs = DirectoryBlobs(tmp_path / "blobs")
    ports = {"planner": FakePlanner(steps_of("a", "b", None, "c")), "critic": FakeCritic()}
    async with Journal(f"sqlite:///{tmp_path}/journal.db") as journal, DriftMeter(journal.document, blobs) as meter:
        runs = Runs(journal, **ports, generator=FakeGenerator(blobs), ended=meter.ended)

        async def run() -> None:
            assert await runs.wait(await runs.start(InterleaveRequest(brief=Brief(prompt="a story"))), 20)

        await measures(2, run)
        await runs.close()
