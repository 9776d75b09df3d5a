"""The worker's side of a job's life: claim it, report each step, end it. Synchronous, since a drawing is.

A claim gives a `Lease`: whoever holds another one, or an older one, can neither report nor end the job.
"""

from __future__ import annotations

import base64
import time
import uuid
from contextlib import suppress
from typing import Literal

import redis

from interleavethinker.events import Problem
from interleavethinker.jobs import JobState, Priority
from interleavethinker.types import Drawing
from services.generator_service import transitions
from services.generator_service.backends.base import Tally
from services.generator_service.jobs import Ending
from services.generator_service.keys import Keys
from services.generator_service.queue import Send
from services.generator_service.settings import GeneratorSettings


class CancelRequested(Exception):
    """Raised between two denoising steps: nobody wants the picture any more."""


class GivesWay(Exception):
    """Raised between two denoising steps of a speculative job: a normal one waits. It is drawn anew later."""


class LeaseLost(Exception):
    """The job was given to someone else while this worker was silent."""


class Desk:
    """Where a worker takes its jobs from."""

    def __init__(self, client: redis.Redis, send: Send, settings: GeneratorSettings, worker: str) -> None:
        self._redis, self._settings, self._worker = client, settings, worker
        self.send, self.keys = send, Keys(settings.namespace)
        self._claim = client.register_script(transitions.CLAIM)
        self.advance = client.register_script(transitions.ADVANCE)
        self.show = client.register_script(transitions.SHOW)
        self.finish = client.register_script(transitions.FINISH)
        self.record_seconds = settings.record_seconds

    def give_way(self, spent: Ending) -> None:
        """Have the time counted that went into a drawing which is begun anew."""
        with suppress(redis.RedisError):
            self._redis.rpush(self.keys.endings, spent.model_dump_json())

    def claim(self, job_id: str) -> Lease | None:
        """The job, if it is there to be drawn; None when it is taken, done, canceled or unknown."""
        token = uuid.uuid4().hex
        keys = [self.keys.job(job_id), self.keys.lease(token), self.keys.waiting, self.keys.progress(job_id)]
        found = self._claim(keys=keys, args=[token, self._worker, int(self._settings.lease_seconds * 1000)])
        return Lease(self, job_id, token, job_json=found[0], queue_seconds=float(found[1])) if found else None


class Lease:
    """The right to draw one job. `job_json` is the ImageJob, `queue_seconds` how long it waited, `tally` what calls to
    others it cost."""

    def __init__(self, desk: Desk, job_id: str, token: str, *, job_json: str, queue_seconds: float) -> None:
        self.job_id, self.token, self.job_json = job_id, token, job_json
        self.queue_seconds = max(0.0, queue_seconds)
        self.tally = Tally()
        self._desk = desk
        self._began = time.monotonic()

    def advance(self, step: int, of: int) -> bool:
        """Report a finished step; whether somebody listens. Raises CancelRequested, GivesWay or LeaseLost when the
        drawing should stop."""
        keys = self._desk.keys
        names = [keys.job(self.job_id), keys.progress(self.job_id), keys.waiting]
        try:
            answer = self._desk.advance(keys=names, args=[self.token, step, of])
        except redis.RedisError:  # progress that nobody can read is no reason to stop drawing
            return False
        if answer == "cancel":
            raise CancelRequested
        if answer == "give way":
            raise GivesWay
        if answer == "lost":
            raise LeaseLost
        return bool(answer == "seen")

    def show(self, preview: bytes, seconds: float) -> None:
        """Let a small encoded picture of the drawing as it is be seen for so long. One that cannot be is dropped."""
        keys = self._desk.keys
        names = [keys.job(self.job_id), keys.progress(self.job_id), keys.preview(self.job_id)]
        with suppress(redis.RedisError):
            self._desk.show(keys=names, args=[self.token, base64.b64encode(preview), int(seconds * 1000)])

    def done(self, drawing: Drawing) -> None:
        ending = self._ending("done", draw_seconds=drawing.draw_seconds)
        self._end(JobState.DONE, "drawing", drawing.model_dump_json(), ending, model=drawing.model)

    def failed(self, problem: Problem) -> None:
        self._end(JobState.FAILED, "problem", problem.model_dump_json(), self._ending("failed"))

    def canceled(self) -> None:
        """Stop: the job is at its end, or waits again where somebody wants it still."""
        self._end(JobState.CANCELED, "", "", self._ending("canceled"))

    def _ending(
        self, outcome: Literal["done", "failed", "canceled", "gave_way"], draw_seconds: float | None = None
    ) -> Ending:
        """As the metrics count it; what was spent is spent, whatever came of it."""
        return Ending(
            outcome=outcome,
            queue_seconds=self.queue_seconds,
            draw_seconds=time.monotonic() - self._began if draw_seconds is None else draw_seconds,
            calls=dict(self.tally.calls),
            cost=self.tally.cost,
        )

    def _end(self, state: JobState, field: str, value: str, ending: Ending, model: str = "") -> None:
        desk = self._desk
        answer = desk.finish(
            keys=[desk.keys.job(self.job_id), desk.keys.endings, desk.keys.waiting],
            args=[self.token, state, field, value, model, desk.record_seconds, ending.model_dump_json()],
        )
        if answer == "lost":
            raise LeaseLost
        if answer != "ended":
            desk.give_way(self._ending("gave_way"))
            desk.send(self.job_id, Priority(answer))
