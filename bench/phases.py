"""Where in a document's life a fault falls. Each phase is waited for, or brought about, in the run that is under
way."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.house import House, until
from bench.models import DENOISE_STEPS

Undo = Callable[[], None]
JOBS = "generator:job:*"
PAUSE_MILLISECONDS = 1500


class Phase(NamedTuple):
    """`prepare` before the run is asked for; `reach` returns once the run is there, with what lets it go on."""

    name: str
    prepare: Callable[[House], None]
    reach: Callable[[House, Callable[[], dict[str, Any]]], Undo]


def planning(house: House, document: Callable[[], dict[str, Any]]) -> Undo:
    """A step is written, the plan is not."""
    until(lambda: bool(document()["steps"]), "no step was planned")
    return _nothing


def before_claim(house: House, document: Callable[[], dict[str, Any]]) -> Undo:
    """The job waits in the queue; the only worker is frozen."""
    until(lambda: any(job["state"] == "queued" for job in jobs(house).values()), "no job was queued")
    return lambda: house.parts["worker"].signal(signal.SIGCONT)


def mid_draw(house: House, document: Callable[[], dict[str, Any]]) -> Undo:
    _drawing(house, DENOISE_STEPS // 2)
    return _nothing


def after_upload(house: House, document: Callable[[], dict[str, Any]]) -> Undo:
    """The picture is stored, its job not ended: Redis takes no writes for a moment."""
    _drawing(house, DENOISE_STEPS)
    house.redis().execute_command("CLIENT", "PAUSE", PAUSE_MILLISECONDS, "WRITE")
    until(lambda: any(_pictures(house.blobs)), "no picture was stored")
    return _nothing


def after_commit(house: House, document: Callable[[], dict[str, Any]]) -> Undo:
    """The job is done, the orchestrators are frozen and do not know it yet; the worker may not have acknowledged it."""
    _drawing(house, 1)
    for part in house.orchestrators:
        part.signal(signal.SIGSTOP)
    until(lambda: any(job["state"] == "done" for job in jobs(house).values()), "no job was done")

    def go_on() -> None:
        for part in house.orchestrators:
            part.signal(signal.SIGCONT)

    return go_on


def judging(house: House, document: Callable[[], dict[str, Any]]) -> Undo:
    """A drawing is recorded, its verdict is not."""

    def open_attempt() -> bool:
        attempts = [attempt for step in document()["steps"] for attempt in step["attempts"]]
        return bool(attempts) and attempts[-1]["verdict"] is None

    until(open_attempt, "nothing was drawn")
    return _nothing


def jobs(house: House) -> dict[str, dict[str, str]]:
    """The generator's job records, by id."""
    client: Any = house.redis()
    found = {key.rpartition(":")[2]: client.hgetall(key) for key in client.scan_iter(JOBS, count=1000)}
    return {job_id: job for job_id, job in found.items() if "state" in job}


def _drawing(house: House, step: int) -> None:
    def there() -> bool:
        return any(job["state"] == "drawing" and int(job["step"]) >= step for job in jobs(house).values())

    until(there, "nothing is being drawn")


def _pictures(store: Path) -> list[Path]:
    return [path for path in store.glob("??/??/*") if not path.name.startswith(".")]


def _freeze_worker(house: House) -> None:
    house.parts["worker"].signal(signal.SIGSTOP)


def _nothing(*_: object) -> None:
    pass


PHASES = {
    phase.name: phase
    for phase in (
        Phase("planning", _nothing, planning),
        Phase("before claim", _freeze_worker, before_claim),
        Phase("mid-draw", _nothing, mid_draw),
        Phase("after upload, before commit", _nothing, after_upload),
        Phase("after commit, before ack", _nothing, after_commit),
        Phase("judging", _nothing, judging),
    )
}
