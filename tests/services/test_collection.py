"""What is deleted and what is not: runs past their retention, images that nobody names, and nothing that is in use."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from interleavethinker.blobs import DirectoryBlobs, TenantBlobs
from interleavethinker.errors import NotFound
from interleavethinker.events import Finished, Started, Status
from interleavethinker.types import Brief, ImageRef, InterleaveRequest
from services.orchestrator.collection import Collected, collect
from services.orchestrator.idempotency import Key
from services.orchestrator.journal import Journal
from services.orchestrator.outbox import DeliveryState, Hook
from tests.doors import SNOWMAN, WAIT, key, opened, picture

DAY = timedelta(days=1)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal(f"sqlite:///{tmp_path}/journal.db") as journal:
        yield journal


def grow_old(path: Path, days: float = 2) -> None:
    """As if every blob there had been put so many days ago."""
    for file in path.rglob("*"):
        if file.is_file():
            os.utime(file, (time.time() - days * 86_400,) * 2)


async def run_with(journal: Journal, digest: str, owner: str | None = None) -> str:
    image = ImageRef(digest=digest, width=8, height=8)
    return await journal.create(InterleaveRequest(brief=Brief(prompt="a", images=(image,))), owner=owner)


async def test_only_old_images_that_no_run_names_are_deleted(journal: Journal, blobs: DirectoryBlobs):
    named, unnamed = await blobs.put(b"named"), await blobs.put(b"unnamed")
    await run_with(journal, named)
    grow_old(blobs.path)
    young = await blobs.put(b"young")
    would = await collect(journal.engine, blobs, older_than=DAY, retention=None, dry_run=True)
    assert would == Collected(0, 1, 1) and await blobs.has(unnamed)
    assert await collect(journal.engine, blobs, older_than=DAY, retention=None) == would
    assert [await blobs.has(each) for each in (named, unnamed, young)] == [True, False, True]


async def test_what_a_killed_writer_left_goes_by_age(journal: Journal, blobs: DirectoryBlobs):
    await blobs.put(b"whole")
    await blobs.within("acme").put(b"a tenant's")
    left = [next(blobs.path.glob(folders)) / ".writing-x" for folders in ("??/??", "tenants/acme/??/??")]
    for path in left:
        path.write_bytes(b"ha")
    grow_old(blobs.path)
    young = left[0].with_name(".writing-y")
    young.write_bytes(b"hal")
    would = await collect(journal.engine, blobs, older_than=DAY, retention=None, dry_run=True)
    assert would.leftovers == 2 and all(path.exists() for path in left)
    assert (await collect(journal.engine, blobs, older_than=DAY, retention=None)).leftovers == 2
    assert young.exists() and not any(path.exists() for path in left)


async def test_an_image_wanted_again_counts_as_new(journal: Journal, blobs: DirectoryBlobs):
    digest = await blobs.put(b"again")
    grow_old(blobs.path)
    await blobs.put(b"again")
    assert (await collect(journal.engine, blobs, older_than=DAY, retention=None)).blobs == 0
    assert await blobs.has(digest)


async def test_however_it_is_asked_what_was_just_drawn_stays(journal: Journal, blobs: DirectoryBlobs):
    await blobs.put(b"just drawn, its event not yet written")
    assert (await collect(journal.engine, blobs, older_than=timedelta(0), retention=None)).blobs == 0


async def test_a_name_in_one_tenants_run_keeps_nothing_of_another(journal: Journal, blobs: DirectoryBlobs):
    digests = {tenant: await blobs.within(tenant).put(b"same") for tenant in ("ours", "theirs")}
    await run_with(journal, digests["ours"], "ours")
    grow_old(blobs.path)
    assert (await collect(journal.engine, blobs, older_than=DAY, retention=None)).blobs == 1
    assert await blobs.within("ours").has(digests["ours"])
    assert not await blobs.within("theirs").has(digests["theirs"])


async def test_runs_past_their_retention_go_with_their_images_and_others_stay(journal: Journal, blobs: DirectoryBlobs):
    ended, under_way = [await run_with(journal, await blobs.put(name)) for name in (b"ended", b"under way")]
    for run_id in (ended, under_way):
        await journal.append(run_id, Started())
    await journal.append(ended, Finished(status=Status.SUCCEEDED))
    grow_old(blobs.path)
    assert (await collect(journal.engine, blobs, older_than=DAY, retention=DAY)).runs == 0
    at_once = timedelta(microseconds=1)
    would = await collect(journal.engine, blobs, older_than=DAY, retention=at_once, dry_run=True)
    assert would == Collected(1, 1, 1) and await journal.run(ended)
    assert await collect(journal.engine, blobs, older_than=DAY, retention=at_once) == would
    with pytest.raises(NotFound):
        await journal.events(ended)
    assert len(await journal.events(under_way)) == 2


async def test_a_branch_and_a_continued_run_keep_what_they_show(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs) as (app, client):
        origin = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        run = origin["links"]["self"]
        grow_old(blobs.path)
        branched = (await client.post(f"{run}/branch", json={"from_step": 2}, headers=WAIT)).json()
        continued = (await client.post(f"{run}/continue", json={"prompt": "and then?"}, headers=WAIT)).json()
        ends = [datetime.fromisoformat(each["document"]["created_at"]) for each in (origin, branched)]
        retention = datetime.now(UTC) - (ends[0] + (ends[1] - ends[0]) / 2)
        grow_old(blobs.path)
        done = await collect(app.state.house.journal.engine, blobs, older_than=DAY, retention=retention)
        assert (done.runs, done.blobs) == (1, 0), "the branch has the first step's picture, the continued run both"
        assert (await client.get(run)).status_code == 404
        for kept in (branched, continued):
            assert (await client.get(kept["links"]["self"])).json()["document"] == kept["document"]
            for link in kept["images"].values():
                assert (await client.get(link)).status_code == 200


async def test_what_a_new_run_takes_over_counts_as_new(tmp_path: Path, blobs: DirectoryBlobs):
    """The race: a collection has listed old images and read what the journal names, then a branch is begun."""
    async with opened(tmp_path, blobs) as (_, client):
        run = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        grow_old(blobs.path)
        listed = [blob async for blob in blobs.all()]
        await client.post(f"{run['links']['self']}/continue", json={"prompt": "and then?"}, headers=WAIT)
        assert len(listed) == 2 and [await blobs.delete(blob) for blob in listed] == [False, False]


async def test_a_run_with_a_live_key_or_a_webhook_to_be_told_stays(journal: Journal, blobs: DirectoryBlobs):
    request, at_once = InterleaveRequest(brief=Brief(prompt="a")), timedelta(microseconds=1)
    again = Key.of("k", owner=None, action="interleave", asked=request, seconds=60)
    keyed = (await journal.begin(request, key=again)).run_id
    hooked = (await journal.begin(request, hooks=[Hook("https://told.example", ("finished",))])).run_id
    for run_id in (keyed, hooked):
        await journal.append(run_id, Finished(status=Status.SUCCEEDED))
    how = {"older_than": DAY, "retention": at_once}
    assert (await collect(journal.engine, blobs, **how)).runs == 0
    assert (await collect(journal.engine, blobs, **how, keys_live=at_once)).runs == 1
    assert await journal.earlier(again) is None
    (delivery,) = await journal.outbox.of_run(hooked)
    await journal.outbox.settle(delivery, DeliveryState.DELIVERED, None, datetime.now(UTC))
    assert (await collect(journal.engine, blobs, **how)).runs == 1
    assert await journal.outbox.of_run(hooked) == [] and (await journal.runs()).runs == []


async def test_by_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blobs = DirectoryBlobs(tmp_path / "state" / "blobs")
    await blobs.put(b"nobody's")
    grow_old(blobs.path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.orchestrator", "gc", "--older-than", "24h", stdout=-1, stderr=-1
    )
    out, _ = await process.communicate()
    assert out.decode() == "deleted: 0 runs, 1 images, 0 unfinished writes; 0 old images are still referred to\n"


async def test_a_run_says_when_it_may_go(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, retention_days=30) as (_, client):
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        (listed,) = (await client.get("/interleave")).json()["runs"]
        assert made["expires_at"] == listed["expires_at"] > listed["created_at"]


async def test_an_image_of_another_tenant_is_not_stored_here(tmp_path: Path):
    """The digest of an image already stored: already stored by the one who asks."""
    blobs = TenantBlobs(DirectoryBlobs(tmp_path / "blobs"))
    async with opened(tmp_path, blobs, auth="keys") as (_, client):
        ours, theirs = await key(tmp_path, "ours"), await key(tmp_path, "theirs")
        made = await client.post("/interleave", json=SNOWMAN | {"images": [picture()]}, headers=ours | WAIT)
        digest = made.json()["document"]["request"]["brief"]["images"][0]["digest"]
        again = {"prompt": "go on", "images": [digest]}
        assert (await client.post("/interleave", json=again, headers=ours)).status_code == 202
        refused = await client.post("/interleave", json=again, headers=theirs)
        unknown = await client.post("/interleave", json=again | {"images": ["0" * 64]}, headers=theirs)
        assert refused.status_code == unknown.status_code == 422
        assert refused.text.replace(digest, "") == unknown.text.replace("0" * 64, "")
        shown = made.json()["images"][digest]
        assert (await client.get(shown, headers=ours)).status_code == 200
