"""A few cells of the fault trials (`make faults` runs them all), and the invariants that these look for."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.faults import RESULTS
from bench.invariants import broken, lost_pictures
from bench.trials import QUICK
from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.events import Drawn, Finished, Recorded, Started, Status, StepFinished
from interleavethinker.types import Brief, InterleaveRequest
from services.orchestrator.journal import Journal
from services.orchestrator.runs import Runs
from tests.fakes import FakeCritic, FakeGenerator, FakePlanner, revise, steps_of


@pytest.mark.slow
@pytest.mark.redis
def test_killed_and_emptied_in_the_middle_of_a_drawing_nothing_is_lost(tmp_path: Path):
    out = tmp_path / "faults.json"
    command = [sys.executable, "-m", "bench.faults", "--quick", "--out", str(out), "--home", str(tmp_path / "home")]
    trials = subprocess.run(command, cwd=RESULTS.parents[2], capture_output=True, text=True, timeout=600)
    assert trials.returncode == 0, trials.stdout + trials.stderr
    table = json.loads(out.read_text(encoding="utf-8"))["table"]
    assert {(row["journal"], row["fault"], row["phase"]) for row in table} == QUICK


@pytest.fixture
async def sound(tmp_path: Path) -> list[Recorded]:
    """The events of a run that nothing happened to."""
    async with Journal(f"sqlite:///{tmp_path}/journal.db") as journal:
        generator = FakeGenerator(DirectoryBlobs(tmp_path / "blobs"))
        planner, critic = FakePlanner(steps_of("a", None, "b")), FakeCritic([revise("a2")])
        runs = Runs(journal, planner=planner, critic=critic, generator=generator)
        run_id = await runs.start(InterleaveRequest(brief=Brief(prompt="a story")))
        assert await runs.wait(run_id, 60)
        await runs.close()
        return await journal.events(run_id)


async def test_a_sound_run_breaks_nothing(sound: list[Recorded], tmp_path: Path):
    assert broken(sound) == []
    assert await lost_pictures(sound, DirectoryBlobs(tmp_path / "blobs")) == []


async def test_each_kind_of_damage_is_seen(sound: list[Recorded], tmp_path: Path):
    last = sound[-1]
    drawn = next(recorded for recorded in sound if isinstance(recorded.event, Drawn))
    settled = next(recorded for recorded in sound if isinstance(recorded.event, StepFinished))

    def after(event: Started | Drawn | Finished | StepFinished) -> Recorded:
        return Recorded(run_id=last.run_id, seq=last.seq + 1, at=datetime.now(UTC), event=event)

    def seen(events: list[Recorded]) -> str:
        return "; ".join(broken(events))

    assert "gap" in seen([*sound[:4], *sound[5:]])
    assert "is drawn 2 times" in seen([*sound, after(drawn.event)]) and "paid for" in seen([*sound, after(drawn.event)])
    assert "is settled 2 times" in seen([*sound, after(settled.event)])
    assert "started follows the end" in seen([*sound, after(Started())])
    assert "the run is canceled" in seen(
        [*sound[:-1], last.model_copy(update={"event": Finished(status=Status.CANCELED)})]
    )
    assert "another one" in "; ".join(broken(sound, digest="0" * 64))
    assert await lost_pictures(sound, DirectoryBlobs(tmp_path / "elsewhere"))


def test_the_report_says_what_was_measured():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert results["cells"] == len(results["table"]) >= 60
    assert results["losses"] == sum(not row["ok"] for row in results["table"])
    report = (RESULTS.parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert f"{results['cells']} cells, {results['losses']} losses" in report
