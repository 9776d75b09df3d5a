"""The drift figures: nought for the same picture, one for its opposite, colour apart from layout."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.document import fold
from interleavethinker.events import Created, Drawn, Recorded, StepFinished, StepPlanned
from interleavethinker.ports import put_image
from interleavethinker.types import Brief, Drawing, ImageJob, ImageRef, InterleaveRequest
from services.orchestrator.drift import distances, drifts
from tests.fakes import steps_of


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


@pytest.mark.parametrize(("anchor", "expected"), [(None, [(2, 1), (3, 1)]), (2, [(1, 2), (3, 2)]), (9, [])])
async def test_each_step_is_told_from_its_anchor(tmp_path: Path, anchor: int | None, expected: list):
    blobs = DirectoryBlobs(tmp_path)
    request = InterleaveRequest(brief=Brief(prompt="a story"), anchor=anchor)
    events: list = [Created(request=request)]
    for step, colour in zip(steps_of("a", "b", "c"), ("red", "green", "blue"), strict=True):
        image = await put_image(blobs, encoded(Image.new("RGB", (32, 32), colour)), width=32, height=32)
        job = ImageJob(prompt="p", seed=step.index)
        drawing = Drawing(job_id=job.id, image=image)
        events += [StepPlanned(step=step), Drawn(step=step.index, number=1, job=job, drawing=drawing)]
        events.append(StepFinished(step=step.index, kept=1))
    now = datetime.now(UTC)
    document = fold([Recorded(run_id="run_1", seq=seq, at=now, event=event) for seq, event in enumerate(events, 1)])
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
