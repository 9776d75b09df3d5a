"""How a drawing job stands: what the generator service says, and what its client reads.

Only the values; the job's life in Redis is the generator service's own affair.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from interleavethinker.events import Problem
from interleavethinker.types import Digest, Drawing, Value


class JobState(StrEnum):
    """queued -> drawing -> done | failed | canceled."""

    QUEUED = "queued"
    DRAWING = "drawing"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        return self not in (JobState.QUEUED, JobState.DRAWING)


class Priority(StrEnum):
    """`speculative` jobs are drawn only while no normal one waits."""

    NORMAL = "normal"
    SPECULATIVE = "speculative"


class Progress(Value):
    """Denoising steps finished, of all; `of` is 0 until the first one is."""

    step: int = Field(default=0, ge=0)
    of: int = Field(default=0, ge=0)


class JobProgress(Value):
    """How a job comes along, as the stream of its progress tells it."""

    job_id: Digest
    state: JobState
    step: int = Field(default=0, ge=0, description="denoising steps finished, `of` all; 0 until the first one is")
    of: int = Field(default=0, ge=0)
    previews: int = Field(default=0, ge=0, description="made of it so far; the latest can be fetched")
    ahead: int | None = Field(default=None, ge=0, description="jobs drawn before it; null unless it is queued")


class JobStatus(Value):
    """The answer to PUT and GET /v1/images/{job_id}."""

    job_id: Digest
    state: JobState
    progress: Progress = Progress()
    drawing: Drawing | None = Field(default=None, description="present when done")
    problem: Problem | None = Field(default=None, description="present when failed")
    unattended_seconds: float | None = Field(
        default=None,
        ge=0,
        description="for so long of this request's waiting no worker was alive to take the queued job",
    )


class CancelAnswer(StrEnum):
    """`requested`: it stops at the next denoising step. `still_wanted`: another run asked for the same picture too, so
    it goes on."""

    REQUESTED = "requested"
    STILL_WANTED = "still_wanted"
    ALREADY_DONE = "already_done"
    UNKNOWN = "unknown"


class Cancellation(Value):
    """The answer to DELETE /v1/images/{job_id}."""

    job_id: Digest
    cancel: CancelAnswer
