"""`python -m bench.faults`: real processes, killed and starved in every phase of a document; after each, what must
hold.

Every cell is one fault in one phase of one run. The run must end well, as the document that an undisturbed run makes,
with its events whole (`invariants`). Prints a line a cell and writes `bench/results/faults.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from bench.house import House, faketime, until
from bench.invariants import broken, lost_pictures
from bench.phases import PHASES
from bench.trials import ON_POSTGRES, ON_SQLITE, QUICK, Trial
from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.events import Drawn, Recorded, Started
from interleavethinker.http import read_sse
from interleavethinker.settings import PREFIX

RESULTS = Path(__file__).parent / "results" / "faults.json"
ASK = {"prompt": "how to build a snowman", "seed": 5, "max_attempts": 3, "budget": {"max_seconds": 900}}
END_SECONDS = 180.0
DATABASE_MEGABYTES = 256


class Bench:
    """Runs cells in one house."""

    def __init__(self, house: House, kind: str) -> None:
        self.house, self.kind, self.digest, self.seconds = house, kind, "", 0.0
        self._http = httpx2.Client(timeout=10.0)

    def undisturbed(self) -> None:
        """The document to compare with."""
        self._between()
        began = time.monotonic()
        run_id = self._ask()
        self._end(run_id)
        self.seconds = round(time.monotonic() - began, 1)
        events = self._events(run_id)
        if found := broken(events):
            raise RuntimeError(f"even undisturbed: {found}")
        self.digest = self._get(f"/interleave/{run_id}")["digest"]

    def cell(self, trial: Trial, phase: str) -> dict[str, Any]:
        began, drawn_before = time.monotonic(), self._drawn()
        row: dict[str, Any] = {"journal": self.kind, "fault": trial.fault, "phase": phase}
        try:
            found, events = self._disturbed(trial, phase)
            row |= {
                "drawings": sum(isinstance(recorded.event, Drawn) for recorded in events),
                "drawings_made": self._drawn() - drawn_before,
                "taken_up": sum(isinstance(recorded.event, Started) for recorded in events),
                "undisturbed_seconds": self.seconds,
            }
        except Exception as error:  # whatever kept a run from its end is a loss to report, not the end of the trials
            found = [f"{type(error).__name__}: {error}"]
        return row | {"seconds": round(time.monotonic() - began, 1), "ok": not found, "broken": found}

    def _disturbed(self, trial: Trial, name: str) -> tuple[list[str], list[Recorded]]:
        house, phase = self.house, PHASES[name]
        self._between()
        with self._set(trial.settings), self._skewed(trial.skew):
            phase.prepare(house)
            run_id = self._ask()
            go_on = phase.reach(house, lambda: self._get(f"/interleave/{run_id}")["document"])
            try:
                trial.inflict(house, run_id)
            finally:
                go_on()
            self._end(run_id)
            if trial.problem:
                self._resume(run_id, trial.problem)
            events = self._events(run_id)
            return (
                broken(events, digest=self.digest) + asyncio.run(lost_pictures(events, DirectoryBlobs(house.blobs))),
                events,
            )

    @contextmanager
    def _set(self, settings: Mapping[str, str]) -> Iterator[None]:
        """All orchestrators with these settings."""
        if not settings:
            yield
            return
        self._again({f"{PREFIX}{name}": value for name, value in settings.items()})
        for part in self.house.orchestrators:
            part.wait_ready()
        try:
            yield
        finally:
            self._again({})

    def _again(self, more: Mapping[str, str]) -> None:
        for part in self.house.orchestrators:
            part.kill()
            part.start(**more)

    @contextmanager
    def _skewed(self, seconds: float) -> Iterator[None]:
        part = self.house.orchestrators[-1]
        if not seconds:
            yield
            return
        part.kill()
        part.start(**(faketime(seconds) or {}))
        part.wait_ready()
        try:
            yield
        finally:
            part.kill()
            part.start()

    def _between(self) -> None:
        """All parts up, and nothing known of the pictures to come."""
        for part in self.house.parts.values():
            part.wait_ready()
        self.house.redis().flushall()
        for path in self.house.blobs.glob("??"):
            shutil.rmtree(path)
        until(lambda: self.house.redis().scard("generator:workers") > 0, "no worker is there")

    def _ask(self) -> str:
        answer = self._http.post(f"{self.house.url('one')}/interleave", json=ASK)
        return str(answer.raise_for_status().json()["id"])

    def _get(self, path: str) -> Any:
        """From whichever orchestrator answers."""
        deadline = time.monotonic() + END_SECONDS
        while True:
            for part in self.house.orchestrators:
                try:
                    answer = self._http.get(f"{self.house.url(part.name)}{path}", timeout=3)
                    if answer.is_success:
                        return answer.json()
                except httpx2.TransportError:
                    pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"no orchestrator answers for {path}")
            time.sleep(0.05)

    def _end(self, run_id: str) -> None:
        def ended() -> bool:
            return self._get(f"/interleave/{run_id}")["status"] not in ("queued", "processing")

        until(ended, "the run does not end", END_SECONDS)

    def _resume(self, run_id: str, code: str) -> None:
        """What its user does once the cause is gone. Raises where the run has not ended with this problem."""
        document = self._get(f"/interleave/{run_id}")["document"]
        problem = document["problem"] or {}
        if document["status"] not in ("partial", "failed") or problem.get("code") != code or not problem["retryable"]:
            raise RuntimeError(f"the run ended as {document['status']} with {problem}, not with {code}")
        for part in self.house.parts.values():
            part.wait_ready()
        answer = self._http.post(f"{self.house.url('one')}/interleave/{run_id}/resume")
        answer.raise_for_status()
        self._end(run_id)

    def _events(self, run_id: str) -> list[Recorded]:
        async def read() -> list[Recorded]:
            async with httpx2.AsyncClient(timeout=30) as client:
                for part in self.house.orchestrators:
                    try:
                        answer = await client.get(
                            f"{self.house.url(part.name)}/interleave/{run_id}/events?progress=false"
                        )
                    except httpx2.TransportError:
                        continue
                    found = read_sse(answer.aiter_lines())
                    return [Recorded.model_validate_json(event.data) async for event in found]
            raise TimeoutError("no orchestrator gives the events")

        return asyncio.run(read())

    def _drawn(self) -> int:
        """How often a worker ended a picture, by its own log."""
        log = self.house.home / "worker.log"
        return log.read_text(errors="replace").count('"event": "drawn"') if log.exists() else 0


@contextmanager
def furnished(place: Path, kind: str) -> Iterator[tuple[Bench, list[Trial]]]:
    """A running house and what can be tried in it; its image store and SQLite file are on small disks of their own
    where root allows."""
    store, journal, database = place / "blobs", place / "journal", place / "postgres"
    with ExitStack() as exits:
        small = [exits.enter_context(small_disk(path)) for path in (store, journal)]
        if kind == "postgres":
            small.append(exits.enter_context(small_disk(database, megabytes=DATABASE_MEGABYTES)))
        house = House(place, postgres=kind == "postgres", store=store, journal=journal)
        exits.callback(house.stop)
        house.start()
        trials = ON_POSTGRES if kind == "postgres" else ON_SQLITE
        skipped = {trial.fault: "small disks are for root" for trial in trials if "full" in trial.fault}
        skipped = {} if all(small) else skipped
        if not faketime(1):
            skipped |= {trial.fault: "there is no libfaketime" for trial in trials if trial.skew}
        for fault, reason in skipped.items():
            print(f"    {kind}: skipped: {fault}: {reason}", flush=True)
        yield Bench(house, kind), [trial for trial in trials if trial.fault not in skipped]


@contextmanager
def small_disk(path: Path, *, megabytes: int = 8) -> Iterator[bool]:
    """A disk of this size at the path, for root; else a plain directory, and False."""
    path.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", path], capture_output=True
    )
    try:
        yield made.returncode == 0
    finally:
        if made.returncode == 0:
            subprocess.run(["umount", "-l", path], capture_output=True)


def run(home: Path, *, kinds: Sequence[str] = ("postgres", "sqlite"), quick: bool = False, only: str = "") -> list[Any]:
    """Every cell's row, said as it comes."""
    table: list[dict[str, Any]] = []
    for kind in kinds:  # one house at a time: two would only slow each other down
        with furnished(home / kind, kind) as (bench, trials):
            bench.undisturbed()
            print(f"    {kind}: undisturbed, a run takes {bench.seconds} s", flush=True)
            for trial, phase in [(each, name) for each in trials for name in each.phases]:
                if (quick and (kind, trial.fault, phase) not in QUICK) or not re.search(only, f"{trial.fault} {phase}"):
                    continue
                table.append(row := bench.cell(trial, phase))
                said = "ok  " if row["ok"] else "LOSS"
                line = f"{len(table):3} {said} {kind:8} {trial.fault:36} {phase:28} {row['seconds']:6.1f} s"
                print(line, *row["broken"], flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three cells on SQLite")
    parser.add_argument("--only", default="", help="cells whose fault and phase match this pattern")
    parser.add_argument("--journal", choices=("postgres", "sqlite"), help="one kind only")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--home", type=Path, help="keep the logs here")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # orderly: nothing stays behind
    kinds = ["sqlite"] if chosen.quick else [chosen.journal] if chosen.journal else ["postgres", "sqlite"]
    home = chosen.home or Path(tempfile.mkdtemp(prefix="interleavethinker-faults-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)  # Postgres' user must get through
    table = run(home, kinds=kinds, quick=chosen.quick, only=chosen.only)
    losses = [row for row in table if not row["ok"]]
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps({"cells": len(table), "losses": len(losses), "table": table}, indent=1) + "\n")
    print(f"{len(table)} cells, {len(losses)} losses; {chosen.out}; logs in {home}")
    sys.exit(1 if losses else 0)


if __name__ == "__main__":
    main()
