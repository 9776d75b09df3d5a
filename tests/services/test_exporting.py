"""Documents as files over HTTP: which there are, what the answer says of them, and what is refused and how."""

from __future__ import annotations

import asyncio
import threading
import time
from email.message import Message
from pathlib import Path

import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.document import Document
from interleavethinker.errors import Unavailable
from interleavethinker.exports import FORMATS, export
from services.orchestrator.exporting import WAITING, Exporter
from tests.doors import SNOWMAN, WAIT, key, opened
from tests.fakes import FakePlanner, steps_of
from tests.newcomer.documents import Painted


async def test_the_formats_are_listed_in_their_order(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs) as (_, client):
        listed = (await client.get("/formats")).json()["formats"]
    assert [it["name"] for it in listed] == list(FORMATS)
    assert listed[0] == {"name": "pdf", "label": "PDF", "suffix": ".pdf", "media_type": "application/pdf"}


@pytest.mark.parametrize("name", FORMATS)
async def test_each_is_the_document_in_that_format(name: str, tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs) as (app, client):
        run = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        answer = await client.get(run["links"]["export"].replace("{format}", name))
        document = await app.state.house.journal.document(run["id"])
        images = {digest: await blobs.get(digest) for digest in document.images}
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == FORMATS[name].media_type
    told = Message()
    told["Content-Disposition"] = answer.headers["content-disposition"]
    assert told.get_filename() == f"how-do-i-draw-a-snowman{FORMATS[name].suffix}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == export(document, images, name)


async def test_the_tag_is_the_documents_and_the_formats(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", verdicts=()) as (_, client):
        run = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        url = f"/interleave/{run['id']}/export"
        first = await client.get(url, params={"format": "html"})
        tags = [(await client.get(url, params=how)).headers["etag"] for how in (
            {"format": "html"}, {"format": "json"}, {"format": "html", "language": "de"},
        )]  # fmt: skip
        assert first.headers["etag"] == tags[0]
        assert len(set(tags)) == 3
        again = await client.get(url, params={"format": "html"}, headers={"If-None-Match": f"W/{tags[0]}"})
        assert (again.status_code, again.content) == (304, b"")
        await client.post(f"/interleave/{run['id']}/steps/1/redraw", json={"seed": 9}, headers=WAIT)
        changed = await client.get(url, params={"format": "html"}, headers={"If-None-Match": tags[0]})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tags[0]


async def test_an_unknown_format_or_language_is_told_what_to_write(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs) as (_, client):
        run = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        url = f"/interleave/{run['id']}/export"
        answer = await client.get(url, params={"format": "odt"})
        assert answer.status_code == 422
        assert (
            "no format 'odt'; write one of pdf, docx, pptx, epub, html, markdown, json, zip" in answer.json()["detail"]
        )
        assert (await client.get(url)).status_code == 422
        answer = await client.get(url, params={"format": "pdf", "language": "german please"})
        assert answer.status_code == 422
        assert (await client.get("/interleave/run_none/export", params={"format": "pdf"})).status_code == 404


async def test_a_run_without_steps_has_nothing_to_show(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, planner=FakePlanner(steps_of("a hill"), pause=60.0)) as (_, client):
        run = (await client.post("/interleave", json=SNOWMAN)).json()
        answer = await client.get(f"/interleave/{run['id']}/export", params={"format": "pdf"})
        assert answer.status_code == 409
        assert "nothing to show yet" in answer.json()["detail"]
        assert (await client.get(f"/interleave/{run['id']}/export", params={"format": "json"})).status_code == 200
        await client.delete(f"/interleave/{run['id']}")


async def test_a_title_in_any_script_is_a_safe_name(tmp_path: Path, blobs: DirectoryBlobs):
    asked = {"prompt": '雪だるま "; filename=x.exe \\ ../../'}
    async with opened(tmp_path, blobs) as (_, client):
        run = (await client.post("/interleave", json=asked, headers=WAIT)).json()
        answer = await client.get(f"/interleave/{run['id']}/export", params={"format": "docx"})
    said = answer.headers["content-disposition"]
    assert said.startswith("attachment; filename=\"filename-x-exe.docx\"; filename*=UTF-8''%E9%9B%AA")
    assert said.count('"') == 2
    assert "/" not in said
    assert "\\" not in said


async def test_others_documents_cannot_be_had(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="keys") as (_, client):
        mine, other = [await key(tmp_path, name) for name in ("mine", "other")]
        run = (await client.post("/interleave", json=SNOWMAN, headers={**WAIT, **mine})).json()
        url = f"/interleave/{run['id']}/export?format=json"
        assert (await client.get(url)).status_code == 401
        assert (await client.get(url, headers=other)).status_code == 404
        assert (await client.get(url, headers=mine)).status_code == 200


async def test_files_are_made_beside_the_event_loop_so_many_at_once():
    painted = Painted()
    exporter = Exporter(2)
    try:
        calls = [exporter.make(painted.document, painted.images, FORMATS["docx"], None) for _ in range(6)]
        work, longest, threads = asyncio.gather(*calls), 0.0, 0
        while not work.done():
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - began)
            threads = max(threads, sum(it.name.startswith("export") for it in threading.enumerate()))
        assert len(set(await work)) == 1
        assert threads == 2
        assert longest < 0.5
    finally:
        exporter.close()


async def test_too_many_are_told_to_come_again():
    painted = Painted()
    slow = painted.document.model_copy(update={"steps": painted.document.steps * 20})
    exporter = Exporter(1)

    def ask(document: Document) -> asyncio.Task[bytes]:
        return asyncio.create_task(exporter.make(document, painted.images, FORMATS["docx"], None))

    try:
        waiting = [ask(slow) for _ in range(1 + WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="ask again soon"):
            await exporter.make(slow, painted.images, FORMATS["docx"], None)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for _ in range(2000):  # those who left free their places, the one that is being made when it is done
            if not exporter.asked:
                break
            await asyncio.sleep(0.01)
        assert await ask(painted.document)
    finally:
        exporter.close()
