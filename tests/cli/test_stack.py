"""The command line as a newcomer meets it: its words when something is wrong, and the whole of `demo`, `up` and `run`.

The whole is slow: real services, real Redis, and real (tiny) models that have learned one lesson by heart.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from interleavethinker.settings import PREFIX
from interleavethinker.stack.places import Ports
from tests.newcomer.orchestra import PROMPT, orchestra

COMMAND = (sys.executable, "-m", "interleavethinker.cli")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, env=os.environ | environment, timeout=600
    )


def test_run_makes_a_folder_with_a_stack_that_is_up(tmp_path: Path):
    with orchestra(tmp_path) as url:
        done = run("run", PROMPT, "--url", url, "-o", tmp_path / "out", "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "out" / "document.html") in done.stdout
    facts = json.loads((tmp_path / "out" / "document.json").read_text())
    assert facts["provenance"]["seed"] == 7
    assert (tmp_path / "out" / "images" / "step-2.png").is_file()


def test_an_error_is_one_line_that_says_what_to_do(tmp_path: Path, free_port: Callable[[], int]):
    done = run("run", PROMPT, "--url", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error http://127.0.0.1:")
    assert "is the stack up there?" in done.stderr
    with orchestra(tmp_path) as url:
        done = run("run", "<image> go on", "--url", url, "-i", tmp_path / "nowhere.png")
    assert done.returncode == 1
    assert "nowhere.png cannot be read" in done.stderr


def test_wrong_usage_is_exit_code_2():
    assert run("run").returncode == 2
    assert run("demo", "--max-attempts", "0").returncode == 2


def test_a_wrong_setting_is_told_before_anything_is_started(tmp_path: Path):
    own = {f"{PREFIX}{name.upper()}__PORT": str(port) for name, port in Ports.free()._asdict().items()}
    done = run("up", **own, INTERLEAVETHINKER_PLANNER__PROT="9", INTERLEAVETHINKER_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "error" in done.stderr
    assert f"{PREFIX}PLANNER__PROT" in done.stderr


@pytest.fixture(scope="module")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings for models that are there before the trained ones are, and quicker."""
    from tests.lessons import taught
    from tests.tiny_klein import build

    language = str(taught())
    return {
        f"{PREFIX}PLANNER__MODEL": language,
        f"{PREFIX}CRITIC__MODEL": language,
        f"{PREFIX}CRITIC__MAX_TOKENS": "64",
        f"{PREFIX}GENERATOR__MODEL": str(build(tmp_path_factory.mktemp("klein"))),
    }


@pytest.mark.slow
@pytest.mark.redis
def test_demo_makes_one_document_and_leaves_nothing_behind(tmp_path: Path, small_models: dict[str, str]):
    home = tmp_path / "home"
    done = run("demo", "a boat at night", "-o", tmp_path / "out", "--max-attempts", "2",
               **small_models, INTERLEAVETHINKER_HOME=str(home))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("✓ orchestrator", "plan  1. a", "draw  a red boat", "judge", "document.html", "s in all"):
        assert words in done.stdout
    assert (tmp_path / "out" / "document.html").stat().st_size > 1000
    assert list(home.iterdir()) == []


@contextmanager
def up(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`interleavethinker up`, once it says that it is; and what it said."""
    process = subprocess.Popen(
        [*COMMAND, "up"], text=True, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        said = ""
        while "interleavethinker run" not in said:
            line = process.stdout.readline()
            assert line, f"it ended: {said}{process.communicate()[1]}"
            said += line
        yield process, said
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.redis
def test_up_serves_until_a_part_dies_and_says_which(tmp_path: Path, small_models: dict[str, str]):
    ports = Ports.free()
    environment = {f"{PREFIX}{name.upper()}__PORT": str(port) for name, port in ports._asdict().items()}
    environment |= small_models | {f"{PREFIX}HOME": str(tmp_path / "home")}
    with up(environment) as (process, said):
        assert f"curl http://127.0.0.1:{ports.orchestrator}/interleave" in said
        family = psutil.Process(process.pid).children(recursive=True)
        done = run("run", "a boat at night", "--url", ports.url("orchestrator"), "-o", tmp_path / "out")
        assert done.returncode == 0, done.stdout + done.stderr
        worker = next(child for child in family if child.cmdline()[-1:] == ["worker"])
        worker.send_signal(signal.SIGKILL)
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "the worker was killed by SIGKILL" in complaint
        assert not [child for child in family if child.is_running() and child.status() != "zombie"]
