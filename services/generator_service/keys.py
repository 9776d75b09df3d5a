"""The names of everything that the generator keeps in Redis."""

from __future__ import annotations

from typing import NamedTuple

from interleavethinker import http
from interleavethinker.jobs import Priority


class Keys(NamedTuple):
    """Names under one namespace, so that several generators can share a Redis."""

    namespace: str

    def job(self, job_id: str) -> str:
        """The job's record, and the channel on which its ending is published. Each tenant (`http.tenant`) has its own:
        what was drawn for one is not there for another, so that nobody learns by asking what others have asked for."""
        return self._of_job("job", job_id)

    def progress(self, job_id: str) -> str:
        """The channel on which it is said how the job comes along."""
        return self._of_job("progress", job_id)

    def preview(self, job_id: str) -> str:
        """The latest preview of the job, base64; exists for a short while."""
        return self._of_job("preview", job_id)

    @property
    def waiting(self) -> str:
        """The queued jobs of normal priority (their records' names) by when they were queued."""
        return f"{self.namespace}:waiting"

    def _of_job(self, what: str, job_id: str) -> str:
        owner = http.tenant.get()
        return f"{self.namespace}:{what}:{job_id}" if owner is None else f"{self.namespace}:{what}:{owner}:{job_id}"

    def lease(self, lease: str) -> str:
        """Exists while the worker that holds the lease is alive."""
        return f"{self.namespace}:lease:{lease}"

    def worker(self, worker: str) -> str:
        """What the worker has loaded; exists while it is alive."""
        return f"{self.namespace}:worker:{worker}"

    @property
    def workers(self) -> str:
        """The set of all workers' names, dead ones included until someone looks."""
        return f"{self.namespace}:workers"

    @property
    def endings(self) -> str:
        return f"{self.namespace}:endings"

    @property
    def prefix(self) -> str:
        """What kombu puts before its own keys."""
        return f"{self.namespace}:"

    def queue(self, priority: Priority) -> str:
        """The list of waiting messages."""
        return self.prefix + QUEUES[priority]


QUEUES = {Priority.NORMAL: "queue-1-normal", Priority.SPECULATIVE: "queue-2-speculative"}
"""Queue names by priority. Workers empty them in alphabetical order: the second only while the first is empty."""
