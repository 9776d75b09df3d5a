"""What may not be drawn is not; what was drawn and may not be shown is not; and who looked is in the provenance."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.document import Document
from interleavethinker.errors import BadSettings, Unavailable
from interleavethinker.exports import write_folder
from interleavethinker.ports import ContentVerdict
from services.orchestrator.access_settings import FilterSettings
from services.orchestrator.screening import open_filter
from services.orchestrator.word_filter import WordFilter, open_words
from tests.doors import SNOWMAN, WAIT, opened, picture
from tests.fakes import FakeGenerator, revise

WORDS = """
# what may not be drawn here
gun
severed head
/nak(ed|ie)\\b/
Straße
"""


class Eyes:
    """A filter that looks at pictures: denies those of these sizes, and is away while `away` says so."""

    name, sees_images = "eyes@1", True

    def __init__(self, *denied: tuple[int, int], away: int = 0) -> None:
        self.denied, self.away, self.looked = denied, away, 0

    async def prompt(self, text: str) -> ContentVerdict:
        return ContentVerdict(True)

    async def image(self, data: bytes) -> ContentVerdict:
        self.looked += 1
        if self.looked <= self.away:
            raise Unavailable("the filter is away")
        size = Image.open(io.BytesIO(data)).size
        return ContentVerdict(size not in self.denied, "a size that may not be shown" if size in self.denied else "")


@pytest.mark.parametrize(
    "text",
    [
        "a gun",
        "A GUN!",
        "gun",
        "ｇｕｎ",
        "g\u200bun",
        "a severed   head",
        "severed-head",
        "naked",
        "strasse",
        "STRASSE",
    ],
)
async def test_words_are_found_however_they_are_written(text: str):
    assert not (await WordFilter(WORDS).prompt(text)).allowed


@pytest.mark.parametrize("text", ["a gunwale", "begun", "severed the head", "snakes", "what may not be drawn here", ""])
async def test_other_words_are_not(text: str):
    assert (await WordFilter(WORDS).prompt(text)).allowed


def test_a_filter_that_cannot_be_had_is_said_at_the_start(tmp_path: Path):
    (tmp_path / "bad.txt").write_text("/(/")
    for settings in (
        FilterSettings(words=str(tmp_path / "none.txt")),
        FilterSettings(words=str(tmp_path / "bad.txt")),
        FilterSettings(module="no.such.module"),
        FilterSettings(module="json"),
    ):
        with pytest.raises(BadSettings):
            open_filter(settings)
    assert open_filter(FilterSettings()) is None


async def test_a_denied_request_is_a_problem_and_leaves_nothing(tmp_path: Path, blobs: DirectoryBlobs):
    (tmp_path / "words.txt").write_text(WORDS)
    async with opened(tmp_path, blobs, filter=FilterSettings(words=str(tmp_path / "words.txt"))) as (_, client):
        refused = await client.post("/interleave", json={"prompt": "draw a gun", "images": [picture()]})
        assert (refused.status_code, refused.json()["code"]) == (422, "content_denied")
        assert "gun" not in refused.json()["detail"]
        assert (await client.get("/interleave")).json()["runs"] == []
        assert [blob async for blob in blobs.all()] == []
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        assert made["status"] == "succeeded"
        said = made["document"]["screenings"]
        assert [each["subject"] for each in said] == ["brief", "prompt", "prompt"]
        assert {each["filter"] for each in said} == {WordFilter(WORDS).name} and all(each["allowed"] for each in said)


async def test_a_plan_that_may_not_be_drawn_is_not(tmp_path: Path, blobs: DirectoryBlobs):
    generator = FakeGenerator(blobs)
    async with opened(tmp_path, blobs, "a hill", "a gun", content=WordFilter(WORDS), generator=generator) as (
        _,
        client,
    ):
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
    assert (made["status"], made["document"]["problem"]["code"]) == ("partial", "content_denied")
    assert [job.prompt for job in generator.asked] == ["a hill"]


async def test_a_critics_words_are_screened_as_well(tmp_path: Path, blobs: DirectoryBlobs):
    generator = FakeGenerator(blobs)
    refined = [revise("a hill with a gun")]
    how = {"content": WordFilter(WORDS), "generator": generator, "verdicts": refined}
    async with opened(tmp_path, blobs, "a hill", **how) as (_, client):
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
    assert made["document"]["problem"]["code"] == "content_denied"
    assert [job.prompt for job in generator.asked] == ["a hill"]


async def test_a_denied_picture_is_shown_to_nobody(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", content=Eyes((64, 64))) as (_, client):
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        assert (made["status"], made["document"]["problem"]["code"]) == ("failed", "content_denied")
        (denied,) = [each for each in made["document"]["screenings"] if not each["allowed"]]
        assert denied["subject"] == "image" and denied["job_id"] and "digest" not in denied
        assert made["images"] == {}
        (stored,) = [blob.digest async for blob in blobs.all()]
        assert (await client.get(f"/interleave/{made['id']}/images/{stored}")).status_code == 404
        assert stored not in (await client.get(f"/interleave/{made['id']}/events")).text


async def test_given_pictures_are_looked_at_too(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, content=Eyes((20, 10))) as (_, client):
        made = await client.post("/interleave", json=SNOWMAN | {"images": [picture(size=(20, 10))]}, headers=WAIT)
        assert made.json()["document"]["problem"]["code"] == "content_denied"


async def test_a_filter_that_is_away_lets_nothing_pass(tmp_path: Path, blobs: DirectoryBlobs):
    eyes = Eyes(away=1)
    async with opened(tmp_path, blobs, "a hill", content=eyes) as (_, client):
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
    assert made["status"] == "succeeded" and eyes.looked == 2
    assert [each["subject"] for each in made["document"]["screenings"]] == ["brief", "prompt", "image"]


async def test_the_provenance_says_who_made_and_who_looked(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, "a hill", content=Eyes(), verdicts=[revise("a green hill")]) as (_, client):
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
    document = Document.model_validate(made["document"])
    images = {digest: await blobs.get(digest) for digest in document.images}
    path = write_folder(document, images, tmp_path / "out")
    said = json.loads((path.parent / "document.json").read_text())["provenance"]
    assert said["digital_source_type"].endswith("trainedAlgorithmicMedia")
    assert [(each["number"], each["shown"], each["prompt"]) for each in said["pictures"]] == [
        (1, False, "a hill"), (2, True, "a green hill"),
    ]  # fmt: skip
    assert [each["verdict"]["outcome"] for each in said["pictures"]] == ["revise", "accept"]
    assert said["pictures"][0]["generator"] == "fake@1" and said["prompt"] == SNOWMAN["prompt"]
    assert [each["subject"] for each in said["screenings"]] == ["brief", "prompt", "image", "prompt", "image"]


def test_one_file_one_name(tmp_path: Path):
    (tmp_path / "words.txt").write_text(WORDS)
    assert open_words(str(tmp_path / "words.txt")).name == WordFilter(WORDS).name != WordFilter(WORDS + "\na").name


WISHES = {
    "steps/1/redraw": {"prompt": "a hill with a gun"},
    "branch": {"from_step": 1, "steps": [{"index": 1, "prompt": "a hill"}, {"index": 2, "prompt": "a GUN"}]},
    "continue": {"prompt": "now with a g\u200bun"},
}


@pytest.mark.parametrize("path", WISHES)
async def test_a_wish_that_may_not_be_drawn_is_refused_and_leaves_nothing(
    tmp_path: Path, blobs: DirectoryBlobs, path: str
):
    generator = FakeGenerator(blobs)
    async with opened(tmp_path, blobs, content=WordFilter(WORDS), generator=generator) as (_, client):
        run = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()["links"]["self"]
        before, drawn = (await client.get(f"{run}/events")).text, len(generator.asked)
        refused = await client.post(f"{run}/{path}", json=WISHES[path], headers=WAIT | {"Idempotency-Key": "1"})
        assert (refused.status_code, refused.json()["code"]) == (422, "content_denied")
        assert (await client.get(f"{run}/events")).text == before and len(generator.asked) == drawn
        assert len((await client.get("/interleave")).json()["runs"]) == 1


async def test_an_edited_plan_is_screened(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, content=WordFilter(WORDS)) as (_, client):
        run = (await client.post("/interleave", json=SNOWMAN | {"review_plan": True})).json()["links"]["self"]
        while (plan := (await client.get(run)).json())["status"] != "waiting":
            pass
        refused = await client.put(f"{run}/plan", json={"steps": [{"index": 1, "prompt": "a gun"}]})
        assert (refused.status_code, refused.json()["code"]) == (422, "content_denied")
        assert (await client.get(run)).json()["document"] == plan["document"]


async def test_a_redraw_and_a_branch_say_who_looked(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, content=Eyes()) as (_, client):
        made = (await client.post("/interleave", json=SNOWMAN, headers=WAIT)).json()
        run = made["links"]["self"]
        redrawn = (await client.post(f"{run}/steps/1/redraw", json={"prompt": "a lake"}, headers=WAIT)).json()
        new = redrawn["document"]["screenings"][len(made["document"]["screenings"]) :]
        assert [each["subject"] for each in new] == ["prompt", "image"]
        branched = (await client.post(f"{run}/branch", json={"from_step": 2}, headers=WAIT)).json()
        jobs = {attempt["job_id"] for step in branched["document"]["steps"] for attempt in step["attempts"]}
        said = branched["document"]["screenings"]
        assert said[0]["subject"] == "brief"
        assert {each["job_id"] for each in said if each["subject"] == "image"} == jobs


async def test_pinned_pictures_are_looked_at_too(tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, content=Eyes((20, 10))) as (_, client):
        ask = SNOWMAN | {"references": [picture(size=(20, 10))]}
        made = (await client.post("/interleave", json=ask, headers=WAIT)).json()
        assert made["document"]["problem"]["code"] == "content_denied"
