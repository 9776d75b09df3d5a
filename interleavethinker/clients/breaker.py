"""A circuit breaker: while a service is known to be away, calls to it fail at once, but for one now and then that
looks.

So a hundred runs that wait for the same service do not keep it, or the network, busy with a hundred time-outs.
Deliberately not here: waiting (callers do) and retrying (`base`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from interleavethinker.errors import Unavailable
from interleavethinker.telemetry import SERVICE_AWAY

FAILURES = 3
"""So many absences in a row open it."""
FIRST_REST, LONGEST_REST = 0.5, 8.0
"""Seconds until somebody may look again; doubled each time."""


class KnownAway(Unavailable):
    """Nobody was asked: the service did not answer a moment ago."""


class Breaker:
    """Of one service. `clock` gives seconds."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self._clock = name, clock
        self._failures, self._rest, self._until = 0, FIRST_REST, 0.0
        SERVICE_AWAY.labels(name)

    def check(self) -> None:
        """Before a call. Raises KnownAway while it is open and somebody else is the one who looks."""
        if self._failures < FAILURES:
            return
        if (left := self._until - self._clock()) > 0:
            raise KnownAway(f"{self.name} has not answered {self._failures} times; it is asked again in {left:.1f} s")
        self._open()  # this caller looks; others go on waiting meanwhile

    def failed(self) -> None:
        """Nobody answered."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._open()

    def succeeded(self) -> None:
        """Somebody answered, whatever it was."""
        if self._failures >= FAILURES:
            SERVICE_AWAY.labels(self.name).set(0)
        self._failures, self._rest = 0, FIRST_REST

    def _open(self) -> None:
        SERVICE_AWAY.labels(self.name).set(1)
        self._until = self._clock() + self._rest * random.uniform(0.75, 1.25)
        self._rest = min(self._rest * 2, LONGEST_REST)
