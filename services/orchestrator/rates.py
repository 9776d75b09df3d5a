"""How much a tenant may ask for over time: runs a minute, and pictures an hour (what costs is pictures, not requests).

Counted in this process's memory, or in Redis where several replicas share the limits. Deliberately not here: a run's
own budget (`rules`), and how many runs are worked on at once (`runs`).
"""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from interleavethinker.errors import RateLimited
from services.orchestrator.access_settings import RateSettings
from services.orchestrator.tables import NOBODY


class Rates:
    """Counts and refuses. A limit of None counts nothing."""

    def __init__(self, settings: RateSettings) -> None:
        self._runs = _item(RateLimitItemPerMinute, settings.runs_per_minute)
        self._pictures = _item(RateLimitItemPerHour, settings.images_per_hour)
        self._limiter = MovingWindowRateLimiter(_storage(settings.storage))

    async def start_run(self, tenant: str | None) -> None:
        """Count a run that is asked for, or that is to go on. Raises RateLimited; a tenant whose pictures are spent may
        start none."""
        if self._pictures:
            _, left = await self._limiter.get_window_stats(self._pictures, "images", tenant or NOBODY)
            if left < 1:
                raise await self._refusal(self._pictures, "images", tenant)
        if self._runs and not await self._limiter.hit(self._runs, "runs", tenant or NOBODY):
            raise await self._refusal(self._runs, "runs", tenant)

    async def draw(self, tenant: str | None) -> None:
        """Count a picture that is about to be drawn. Raises RateLimited."""
        if self._pictures and not await self._limiter.hit(self._pictures, "images", tenant or NOBODY):
            raise await self._refusal(self._pictures, "images", tenant)

    async def _refusal(self, item: RateLimitItem, what: str, tenant: str | None) -> RateLimited:
        reset, left = await self._limiter.get_window_stats(item, what, tenant or NOBODY)
        seconds = max(1, math.ceil(reset - time.time()))
        return RateLimited(
            f"at most {item.amount} {what} per {item.GRANULARITY.name}: there is room again in {seconds} s",
            retry_after=seconds,
            limit=item.amount,
            remaining=max(0, left),
            window=item.GRANULARITY.name,
            counted=what,
        )


def _item(kind: type[RateLimitItem], amount: int | None) -> RateLimitItem | None:
    return None if amount is None else kind(amount)


def _storage(url: str) -> Storage:
    how = {"implementation": "redispy"} if url.startswith("redis") else {}
    found = storage_from_string(f"async+{url}", **how)
    assert isinstance(found, Storage)
    return found
