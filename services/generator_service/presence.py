"""Who is there to draw: each worker says so, a few times per lease.

It says so from a side thread, since a worker cannot answer anything while it draws.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import structlog
from pydantic import Field

from interleavethinker.types import Value
from services.generator_service.keys import Keys
from services.generator_service.memory import taken

log = structlog.get_logger(__name__)


class Presence(Value):
    """A live worker and what it has really loaded."""

    worker: str
    backend: str
    model: str = Field(description="name@revision")
    device: str
    dtype: str
    quantization: str = "none"
    compile: str = "off"
    attention: str = ""
    verified: str = Field(default="", description="what was seen to be so before the first job")
    text_cache: dict[str, int] = Field(default={}, description="lookups of prompts' embeddings so far: hits, misses")
    host: str
    pid: int
    resident: int | None = Field(default=None, description="bytes of its process, at its last sign of life")
    gpu_used: int | None = Field(default=None, description="bytes of its GPU that are taken, by whomever")
    gpu_total: int | None = None


class Heartbeat:
    """Renews the worker's presence, and the leases that it holds while it draws. Use as a context manager.

    Both run out `lease_seconds` after the process dies, which is how others learn of it. `alive_file` is touched each
    time too, for a probe on the same machine that cannot ask over HTTP.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        presence: Presence,
        lease_seconds: float,
        alive_file: Path | None = None,
        lookups: Callable[[], dict[str, int]] = dict,
    ) -> None:
        """`lookups`: the text cache's counts as they are now."""
        self._leases: set[str] = set()
        self._alive_file, self._lookups = alive_file, lookups
        self._redis, self._keys, self._presence = client, keys, presence
        self._milliseconds = int(lease_seconds * 1000)
        self._interval = lease_seconds / 4
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._redis.delete(self._keys.worker(self._presence.worker))

    @contextmanager
    def holding(self, lease: str) -> Iterator[None]:
        """Within, the lease is renewed."""
        self._leases.add(lease)
        try:
            yield
        finally:
            self._leases.discard(lease)

    def _beat_on(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self._beat()
            except redis.RedisError as error:  # it may come back; until then nobody could read a beat either
                log.warning("Redis does not take the heartbeat", error=str(error))

    def _beat(self) -> None:
        if self._alive_file:
            self._alive_file.touch()
        presence = self._presence.model_copy(update={"text_cache": self._lookups()})
        with self._redis.pipeline(transaction=False) as beat:
            beat.sadd(self._keys.workers, self._presence.worker)
            now = presence.model_copy(update=taken()._asdict())
            beat.set(self._keys.worker(now.worker), now.model_dump_json(), px=self._milliseconds)
            for lease in list(self._leases):
                beat.pexpire(self._keys.lease(lease), self._milliseconds)
            beat.execute()
