"""The commands that change a document or begin from one: branch, continue, edit, insert, arrange, pin, share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer

from interleavethinker import Client
from interleavethinker.cli.sharing import duration
from tests.cli.spoken import say, say_here
from tests.newcomer.orchestra import PROMPT, orchestra


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with orchestra(tmp_path / "orchestra") as url:
        yield url


@pytest.fixture
def run(url: str) -> str:
    """A finished one: a ball, a red hat at its second attempt, and words."""
    with Client(url) as client:
        return client.interleave(PROMPT).wait().id


def told(*words: object, url: str) -> Any:
    done = say(*words, "--url", url, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def request_of(url: str, run_id: str) -> Any:
    return httpx2.get(f"{url}/interleave/{run_id}").json()["document"]["request"]


def test_a_run_takes_its_generator_style_and_characters(url: str, tmp_path: Path):
    words = (PROMPT, "-o", tmp_path / "out", "--style", "flat colours", "--characters", "one fox")
    made = told(*words, "--generator", "default", url=url)
    asked = request_of(url, made["id"])
    assert asked["generator"] == "default"
    assert (asked["brief"]["style"], asked["brief"]["characters"]) == ("flat colours", "one fox")
    refused = say(*words, "--generator", "oils", "--url", url)
    assert (refused.returncode, "there is no 'oils'; there are default" in refused.stderr) == (1, True)


def test_a_run_takes_what_its_steps_are_drawn_from(url: str, tmp_path: Path):
    words = (PROMPT, "-o", tmp_path / "out", "--candidates", 2)
    asked = request_of(url, told(*words, "--anchor", 1, url=url)["id"])
    assert (asked["anchor"], asked["candidates"], "independent_steps" in asked) == (1, 2, False)
    asked = request_of(url, told(*words, "--independent-steps", url=url)["id"])
    assert (asked["independent_steps"], asked["candidates"], "anchor" in asked) == (True, 2, False)
    refused = say(*words, "--independent-steps", "--anchor", 1, "--url", url)
    assert refused.returncode == 1
    assert "no other step's picture: leave one out" in refused.stderr, refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert say_here(*words, "--candidates", 9, "--url", url).returncode == 2


@pytest.mark.slow
def test_branch_and_continue_begin_new_runs(url: str, run: str, tmp_path: Path):
    branched = told("branch", run, 2, "--seed", 8, "--critic", "off", "-o", tmp_path / "other", url=url)
    assert branched["id"] != run
    assert [step["attempts"] for step in branched["steps"]] == [1, 1, 0]
    assert (request_of(url, branched["id"])["seed"], request_of(url, run)["seed"]) == (8, 0)
    assert (tmp_path / "other" / "document.html").is_file()
    gone = say_here("branch", run, 9, "--url", url)
    assert (gone.returncode, "the document has no step 9" in gone.stderr) == (2, True)
    done = say("continue", run, "-", "--max-steps", 1, "--max-draws", 9, "--url", url, input="and at night?\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "succeeded"
    new = done.stdout.split()[0]
    asked = request_of(url, new)
    assert "and at night?" in asked["brief"]["prompt"]
    assert (len(asked["brief"]["images"]), asked["max_steps"], asked["budget"]["max_draws"]) == (2, 1, 9)


@pytest.mark.slow
def test_a_step_is_edited_and_another_one_put_in(url: str, run: str, tmp_path: Path):
    assert say("edit", run, 1, "--name", "The ball", "--instruction", "", "--url", url).stdout == "step 1 is edited\n"
    again = say("edit", run, 1, "--prompt", "a snowball", "--url", url)
    assert again.stdout == "step 1 is edited; drawn from what no longer stands: 1, 2\n"
    with Client(url) as client:
        step = client.run(run).document().step(1).value.step
        assert (step.name, step.instruction, step.prompt) == ("The ball", None, "a snowball")
    assert say_here("edit", run, 1, "--url", url).returncode == 2
    put = told("insert", run, 0, "--name", "Before you begin", "--text", "Wear gloves.", url=url)
    assert [(step["index"], step["attempts"]) for step in put["steps"]] == [(4, 0), (1, 1), (2, 2), (3, 0)]
    done = say("insert", run, 2, "--prompt", "a scarf", "--later", "redraw", "-o", tmp_path / "out", "--url", url)
    assert done.returncode == 0, done.stderr
    assert "draw  a scarf" in done.stdout
    assert "plan  1." not in done.stdout, "what was told before is not told again"
    with Client(url) as client:
        assert [step.index for step in client.run(run).document().steps] == [4, 1, 5, 2, 3]
    assert (tmp_path / "out" / "document.html").is_file()
    assert say_here("insert", run, 1, "--url", url).returncode == 2


@pytest.mark.slow
def test_steps_are_moved_taken_out_and_put_back(url: str, run: str):
    moved = told("arrange", run, 2, 1, 3, url=url)
    assert [(step["number"], step["index"]) for step in moved["steps"]] == [(1, 2), (2, 1), (3, 3)]
    listed = say("arrange", run, "--delete", 1, "--delete", 3, "--url", url)
    assert listed.stdout.splitlines() == [
        "1. step 1",
        "taken out: step 2, back with --put-back 2",
        "taken out: step 3, back with --put-back 3",
    ]
    back = told("arrange", run, "--put-back", 2, url=url)
    assert [step["index"] for step in back["steps"]] == [1, 2]
    assert back["deleted"] == [{"index": 3, "name": "step 3"}]
    for words, why in (
        ((1, 1), "name each step once: 1 2"),
        (("--put-back", 7), "no step 7 was taken out; there are 3"),
        (("--delete", 1, "--delete", 2), "one step at least"),
        ((2, 1, "--delete", 1), "one at a time"),
    ):
        done = say_here("arrange", run, *words, "--url", url)
        assert (done.returncode, why in " ".join(done.stderr.replace("│", " ").split())) == (2, True), done.stderr


@pytest.mark.slow
def test_pictures_are_pinned(url: str, run: str, tmp_path: Path):
    with Client(url) as client:
        first = client.run(run).document().step(1).image
    assert first is not None
    (tmp_path / "fox.png").write_bytes(httpx2.get(f"{url}/interleave/{run}/images/{first.digest}").content)
    assert told("pin", run, "--step", 1, url=url)["references"] == [first.digest]
    assert say("pin", run, first.digest, "--url", url).stdout == f"pinned {first.digest}\n"
    assert told("pin", run, tmp_path / "fox.png", url=url)["references"] == [first.digest]
    assert say("pin", run, "--none", "--url", url).stdout == "nothing is pinned\n"
    missing = say("pin", run, tmp_path / "nowhere.png", "--url", url)
    assert (missing.returncode, missing.stderr.count("\n"), "cannot be read" in missing.stderr) == (1, 1, True)
    for words in ((), ("--none", "--step", 1), ("--step", 3)):
        assert say_here("pin", run, *words, "--url", url).returncode == 2, words


def test_a_document_is_shared_shown_and_not_any_more(url: str, run: str):
    made = told("share", run, "--for", "7d", url=url)
    assert made["expires_at"]
    bearer = {"Authorization": f"Share {made['token']}"}
    assert httpx2.get(f"{url}/share", headers=bearer).json()["id"] == run
    shown = say("share", "last", "--show", "--url", url)
    assert shown.stdout.splitlines()[0] == made["url"]
    assert shown.stdout.splitlines()[1].startswith("read-only, until 20")
    assert told("share", run, "--revoke", url=url) == {"id": run, "revoked": True}
    assert httpx2.get(f"{url}/share", headers=bearer).status_code == 401
    gone = say("share", run, "--show", "--url", url)
    assert (gone.returncode, gone.stderr) == (1, f"error run {run} is not shared\n")


@pytest.mark.slow
def test_a_share_without_an_end_and_wrong_words(url: str, run: str):
    assert say("share", run, "--url", url).stdout.splitlines()[1] == "read-only, until it is revoked"
    say_here("share", run, "--revoke", "--url", url)
    assert say("share", run, "--revoke", "--url", url).stdout == f"{run} was not shared\n"
    for words in (("--for", "soon"), ("--show", "--revoke")):
        assert say_here("share", run, *words, "--url", url).returncode == 2, words


def test_how_long_a_link_lives():
    assert [duration(text) for text in ("30m", "12h", "7d", "2W")] == [1800, 43_200, 604_800, 1_209_600]
    for text in ("", "7", "0d", "d", "-1d", "1y"):
        with pytest.raises(typer.BadParameter, match="write the time as"):
            duration(text)


@pytest.mark.slow
def test_a_redraw_may_have_a_picture_of_its_own(url: str, run: str, tmp_path: Path):
    (tmp_path / "fox.png").write_bytes(httpx2.get(picture_of(url, run)).content)
    assert say_here("redraw", run, 2, "--reference", tmp_path / "fox.png", "--url", url).returncode == 0
    with Client(url) as client:
        attempt = client.run(run).document().step(2).value.attempt
    assert attempt is not None
    assert len(attempt.references) == 2


def picture_of(url: str, run_id: str) -> str:
    with Client(url) as client:
        return f"{url}/interleave/{run_id}/images/{next(iter(client.document(run_id).images))}"
