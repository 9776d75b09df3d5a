"""The fault matrix: which fault falls into which phases, on which journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.inflict import (
    Fault,
    delay,
    duplicate,
    flush,
    flush_before_commit,
    full_disk,
    full_postgres,
    hang_owner,
    kill,
    kill_owner,
    kill_postgres,
    no_worker,
    no_worker_until_the_end,
    poison,
)
from bench.phases import PHASES

ALL = tuple(PHASES)
QUEUED = ALL[1:]
"""Phases in which there is a job."""


class Trial(NamedTuple):
    """A fault, in each of these phases. `skew`: seconds by which the second orchestrator's clock is wrong meanwhile.
    `settings`: of all orchestrators meanwhile, without the prefix. `problem`: the fault ends the run with this code,
    and its user resumes it."""

    fault: str
    inflict: Fault
    phases: Sequence[str] = ALL
    skew: float = 0.0
    settings: Mapping[str, str] = {}
    problem: str = ""


KILLS = [
    Trial("SIGKILL planner", kill("planner")),
    Trial("SIGKILL critic", kill("critic")),
    Trial("SIGKILL worker", kill("worker")),
    Trial("SIGKILL generator API", kill("generator")),
    Trial("SIGKILL Redis", kill("redis")),
]
ON_POSTGRES = [
    Trial("SIGKILL orchestrator", kill_owner),
    *KILLS,
    Trial("SIGKILL Postgres", kill_postgres),
    Trial("Redis FLUSHALL", flush, [phase for phase in ALL if "upload" not in phase]),
    Trial("Redis FLUSHALL", flush_before_commit, ["after upload, before commit"]),
    Trial("messages duplicated", duplicate, QUEUED),
    Trial("messages delayed", delay, ["before claim", "mid-draw", "judging"]),
    Trial("orchestrator hangs past its lease", hang_owner, ["planning", "mid-draw", "judging"]),
    Trial("clock an hour ahead, owner killed", kill_owner, ["planning", "mid-draw", "judging"], skew=3600),
    Trial("clock an hour behind, owner killed", kill_owner, ["planning", "mid-draw", "judging"], skew=-3600),
    Trial("image store full", full_disk(lambda house: house.blobs), ["before claim", "mid-draw", "judging"]),
    Trial("Postgres' disk full", full_postgres, ["planning", "mid-draw", "judging"]),
    Trial("no worker alive for a while", no_worker, ["before claim", "mid-draw"]),
    Trial(
        "no worker alive, patience spent",
        no_worker_until_the_end,
        ["before claim", "mid-draw"],
        settings={"ORCHESTRATOR__PATIENCE_SECONDS": "6"},
        problem="nobody_draws",
    ),
    Trial(
        "run kills its orchestrators",
        poison,
        ["planning", "before claim", "judging"],
        settings={"ORCHESTRATOR__MAX_LOSSES": "3"},
        problem="replicas_lost",
    ),
]
ON_SQLITE = [
    Trial("SIGKILL orchestrator", kill_owner),
    Trial("journal's disk full", full_disk(lambda house: house.home / "journal"), ["planning", "mid-draw", "judging"]),
    Trial("SIGKILL Redis", kill("redis"), ["mid-draw"]),
    Trial("Redis FLUSHALL", flush, ["before claim", "mid-draw"]),
    Trial(
        "run kills its orchestrators",
        poison,
        ["planning"],
        settings={"ORCHESTRATOR__MAX_LOSSES": "3"},
        problem="replicas_lost",
    ),
]
QUICK = {("sqlite", "SIGKILL orchestrator", "mid-draw"), ("sqlite", "Redis FLUSHALL", "mid-draw"),
         ("sqlite", "SIGKILL Redis", "mid-draw")}  # fmt: skip
