"""When a drawing is shown while it is made: a pace that keeps previews cheap whatever the machine, and their encoding.

Deliberately not here: how a backend makes a small picture of an unfinished one (`backends`), and where it goes
(`lease`).
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Protocol

import structlog
from PIL import Image

from services.generator_service.backends.base import Look
from services.generator_service.settings import PreviewSettings

log = structlog.get_logger(__name__)
QUALITY = 75


class Reports(Protocol):
    """What is told of a drawing; `lease.Lease` is one."""

    def advance(self, step: int, of: int) -> bool: ...

    def show(self, preview: bytes, seconds: float) -> None: ...


class Shown:
    """One drawing's `OnStep`: each step is reported; where somebody listens, now and then also a preview."""

    def __init__(
        self, lease: Reports, settings: PreviewSettings, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._lease, self._settings, self._clock = lease, settings, clock
        self._stepped = clock()
        self._next = self._stepped  # no preview before

    def __call__(self, done: int, of: int, look: Look | None = None) -> None:
        seen = self._lease.advance(done, of)
        now, wanted = self._clock(), self._settings
        step, self._stepped = now - self._stepped, now
        # After the last step the picture itself is next.
        if not (seen and wanted.on and look) or done >= of or now < self._next or step < wanted.fastest_step:
            return
        try:
            self._lease.show(encoded(look(wanted.side)), wanted.seconds)
        except Exception:  # whatever cannot be shown can still be drawn
            log.warning("no preview", exc_info=True)
            self._next = float("inf")
            return
        self._stepped = self._clock()
        cost = self._stepped - now
        self._next = now + max(1 / wanted.per_second, cost / wanted.share)


def encoded(picture: Image.Image) -> bytes:
    """JPEG: a few kB in a millisecond, a third of what WebP takes."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
