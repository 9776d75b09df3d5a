"""Where the service is and how it is reached: address, key, and for how long it is waited for. No call is made here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import httpx2

from interleavethinker.errors import BadRequest, InterleaveError, Unavailable
from interleavethinker.settings import PREFIX

DEFAULT_URL = "http://127.0.0.1:8080"
QUIET_SECONDS = 60.0
"""A stream without a byte for so long is lost: the service says "still here" every 15 seconds."""
CONNECT_SECONDS = 5.0


class Unreached(Unavailable):
    """Nobody heard the call."""


class Retrying(TypedDict):
    attempts: int | None
    timeout: float | None
    wait_jitter: float


@dataclass(frozen=True)
class Access:
    """`patience`: seconds for which a service that has answered before is waited for. `timeout`: seconds without a
    byte."""

    url: str
    api_key: str | None
    patience: float
    timeout: float

    @classmethod
    def of(cls, url: str | None, api_key: str | None, patience: float, timeout: float) -> Access:
        """What is None is taken from INTERLEAVETHINKER_URL and INTERLEAVETHINKER_API_KEY. Raises BadRequest."""
        found = url or os.environ.get(f"{PREFIX}URL") or DEFAULT_URL
        if not found.startswith(("http://", "https://")):
            raise BadRequest(f"the service's address {found!r} does not begin with http:// or https://")
        key = api_key or os.environ.get(f"{PREFIX}API_KEY") or None
        return cls(found.rstrip("/"), key, patience, timeout)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    @property
    def retrying(self) -> Retrying:
        """For stamina's callers."""
        tries, seconds = (None, self.patience) if self.patience > 0 else (1, None)
        return {"attempts": tries, "timeout": seconds, "wait_jitter": 0.2}

    def timeouts(self, quiet: float | None = None) -> httpx2.Timeout:
        """`quiet`: seconds without a byte, where it is not `timeout`."""
        return httpx2.Timeout(self.timeout if quiet is None else quiet, connect=CONNECT_SECONDS)

    def lost(self, error: Exception) -> InterleaveError:
        """What a failure of the transport means."""
        unheard = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.InvalidURL)
        kind = Unreached if unheard else Unavailable
        reason = str(error) or type(error).__name__
        return kind(f"{self.url} does not answer ({reason}): is the stack up there?")


class Patience:
    """Which failures are waited out: absence, once the service has been heard of, and a limit that says how long.

    A fresh client at a wrong address fails at once; one whose service is restarted goes on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.heard = seconds, False

    @property
    def hook(self) -> Callable[[Exception], bool | float]:
        """For stamina: whether to make the call again, or in how many seconds."""
        return self._again

    def _again(self, error: Exception) -> bool | float:
        if not isinstance(error, Unreached):
            self.heard = True
        if isinstance(error, InterleaveError) and error.status == 429:
            after = error.extra.get("retry_after")
            return float(after) if isinstance(after, int | float) and after <= self.seconds else False
        return self.heard and isinstance(error, Unavailable)
