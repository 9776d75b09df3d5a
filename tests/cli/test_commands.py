"""Every command against a real orchestrator: what it prints, writes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.cli.spoken import begin, say
from tests.newcomer.orchestra import PROMPT, orchestra
from tests.servers.cutting import bad_line


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with orchestra(tmp_path / "orchestra") as url:
        yield url


def status_of(url: str, run_id: str) -> str:
    return str(httpx2.get(f"{url}/interleave/{run_id}").json()["status"])


def test_the_bare_form_makes_a_folder_and_tells_in_plain_lines(url: str, tmp_path: Path):
    done = say(PROMPT, "-o", tmp_path / "guide", "--seed", "7", INTERLEAVETHINKER_URL=url)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "succeeded" in lines
    assert lines[-1] == str(tmp_path / "guide" / "document.html")
    assert "\x1b" not in done.stdout
    assert json.loads((tmp_path / "guide" / "document.json").read_text())["provenance"]["seed"] == 7


def test_options_may_come_first_and_the_request_from_standard_input(url: str, tmp_path: Path):
    done = say("-o", tmp_path / "page.html", "--url", url, "--json", "-", input=f"{PROMPT}\n")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["status"], told["out"]) == ("succeeded", str(tmp_path / "page.html"))
    assert [step["attempts"] for step in told["steps"]] == [1, 2, 0]
    assert (tmp_path / "page.html").read_text().startswith("<!")


def test_a_document_cut_short_is_exit_code_3_and_can_be_resumed(url: str, tmp_path: Path):
    done = say("run", PROMPT, "--url", url, "--max-draws", "1", "-o", tmp_path / "short", "--json")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert (told["status"], told["problem"]["code"]) == ("partial", "budget_spent")
    assert (tmp_path / "short" / "document.html").exists()
    done = say("resume", told["id"], "--url", url, "--max-draws", "9", "-o", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    assert "draw  a red hat" in done.stdout
    assert "draw  a ball" not in done.stdout, "what was told before is not told again"
    assert (tmp_path / "whole" / "document.html").exists()


def test_a_failed_run_is_exit_code_1_and_its_reason_is_told(tmp_path: Path):
    with orchestra(tmp_path, broken=["a ball"]) as url:
        done = say(PROMPT, "--url", url, "-o", tmp_path / "out")
    assert (done.returncode, "cannot draw 'a ball'" in done.stdout) == (1, True)


@pytest.mark.slow
def test_runs_show_export_redraw_keep_cancel(url: str, tmp_path: Path):
    run = json.loads(say(f"{PROMPT} twice", "--url", url, "--json", "-o", tmp_path / "out").stdout)["id"]
    listed = say("runs", "--url", url)
    assert f"{run}  succeeded  just now" in listed.stdout
    assert json.loads(say("runs", "--url", url, "--json", "--limit", "1").stdout)["runs"][0]["id"] == run
    shown = say("show", "last", "--url", url).stdout
    assert "2. Step 2" in shown
    assert "a red hat at b2" in shown
    assert json.loads(say("show", run, "--url", url, "--json").stdout)["run_id"] == run
    exported = say("export", run, tmp_path / "one.html", tmp_path / "folder", "--url", url)
    assert exported.stdout.split() == [str(tmp_path / "one.html"), str(tmp_path / "folder" / "document.html")]
    done = say("redraw", run, 1, "--prompt", "a bowl", "--later", "redraw", "--url", url)
    assert done.returncode == 0, done.stderr
    assert "a bowl" in done.stdout
    assert "plan  1." not in done.stdout
    kept = say("keep", run, 1, 1, "--url", url)
    assert kept.stdout.startswith("step 1 keeps attempt 1; drawn from what no longer stands: ")
    assert say("cancel", run, "--url", url).stdout == f"{run} had ended already\n"
    assert json.loads(say("cancel", run, "--url", url, "--json").stdout) == {"id": run, "cancel": "already_done"}


def test_errors_are_one_line(url: str, free_port: Callable[[], int]):
    nobody = say("runs", "--url", f"http://127.0.0.1:{free_port()}")
    assert nobody.returncode == 4
    for done in (
        nobody,
        say("show", "run_none", "--url", url),
        say("export", "run_none", "x.html", "--url", url),
        say("run", PROMPT, "--url", "localhost:8080"),
    ):
        assert done.returncode in (1, 4)
        assert (done.stdout, done.stderr.count("\n"), done.stderr[:6]) == ("", 1, "error ")


def test_where_no_stack_was_named_it_says_how_to_begin():
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8080)) == 0:
            pytest.skip("something is up on port 8080")
    done = say(PROMPT)
    assert done.returncode == 4
    assert "interleavethinker serve" in done.stderr
    assert "--local" in done.stderr


def test_a_plan_may_be_looked_at_first(url: str, tmp_path: Path):
    words = (PROMPT, "--url", url, "--review", "-o", tmp_path / "out")
    assert say(*words, input="y\n").returncode == 0
    refused = say(*words, input="n\n")
    assert refused.returncode == 130
    assert "draw  a ball" not in refused.stdout


def test_ctrl_c_cancels_the_run(tmp_path: Path):
    with orchestra(tmp_path, pause=1.0) as url:
        process = begin(PROMPT, "--url", url, "-o", tmp_path / "out")
        assert process.stdout is not None
        run = process.stdout.readline().strip()
        assert run.startswith("run_")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert f"canceled run {run}" in said
        assert status_of(url, run) == "canceled"


def test_ctrl_c_while_the_run_is_asked_for_cancels_it_too(tmp_path: Path):
    with orchestra(tmp_path, pause=1.0) as url, bad_line(url) as line:
        process = None

        def interrupt(method: str, *_: object) -> bool:
            """The service has begun the run, and its answer is on the way."""
            if method == "POST" and process:
                os.kill(process.pid, signal.SIGINT)
            return False

        line.lose = interrupt
        process = begin(PROMPT, "--url", line.url, "-o", tmp_path / "out")
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        (run,) = httpx2.get(f"{url}/interleave").json()["runs"]
        assert f"canceled run {run['id']}" in said
        assert run["status"] == "canceled"
