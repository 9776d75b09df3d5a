"""Calls to an image server: sent, timed, measured, repeated where that costs nothing, and every one counted.

What is repeated here is what is surely not billed: an overloaded server (429), one that fails (5xx), one that cannot be
reached. A call whose answer was lost may have been billed, so it ends the job, in words that let the run ask again.
Deliberately not here: what is asked, and what an answer means (the backends).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import httpx2
import structlog
from pydantic_core import from_json

from interleavethinker.errors import ContentRefused, DrawFailed, InterleaveError, Unavailable
from interleavethinker.quoting import repeated
from services.generator_service.backends.base import Tally
from services.generator_service.hosted.settings import HostedSettings

log = structlog.get_logger(__name__)

LOST = (504, 520, 522, 524)
"""A proxy gave up on the server behind it, which may have drawn, and billed, all the same."""
LONGEST_PAUSE = 20.0

Files = Sequence[tuple[str, tuple[str, bytes, str]]]


class Call(NamedTuple):
    """One question: JSON, or a form where there are `files`."""

    path: str
    json: Any = None
    form: Mapping[str, str] | None = None
    files: Files = ()


class Answer(NamedTuple):
    """A 200. `body` is None where it was no JSON object."""

    body: dict[str, Any] | None
    headers: Mapping[str, str]


class Refusal(NamedTuple):
    """How a provider's error reads: whether its rules forbid the content, whether the account is empty, in how many
    seconds it may be asked again, and its words."""

    content: bool = False
    quota: bool = False
    wait: float | None = None
    words: str = ""


Read = Callable[[int, Any], Refusal]
"""Reads a provider's error: the status and the body (any JSON, or text)."""


class Host:
    """One server. `key_headers` bear the key; `read` knows the provider's errors. Used inside one event loop."""

    def __init__(
        self, settings: HostedSettings, base_url: str, key_headers: Mapping[str, str], read: Read, tally: Tally
    ) -> None:
        self._settings, self._read, self.tally = settings, read, tally
        self.base_url = base_url.rstrip("/")
        own = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._headers = {**own, **key_headers}
        self._secrets = [value.removeprefix("Bearer ") for value in self._headers.values()]
        self._http = httpx2.AsyncClient(
            headers=self._headers, timeout=httpx2.Timeout(settings.seconds, connect=10.0), follow_redirects=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    def say(self, text: object) -> str:
        """What it said, fit to be repeated."""
        return repeated(text, self._secrets)

    def count(self, outcome: str, cost: float) -> None:
        self.tally.charge(outcome, cost, self._settings.price.currency)

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and body of a free question, asked once. Raises Unavailable."""
        try:
            async with asyncio.timeout(15):
                response, body = await self._send("GET", Call(path))
        except (httpx2.HTTPError, TimeoutError) as error:
            raise self._away(error) from None
        return response.status_code, _json(body)

    async def ask(self, call: Call) -> Answer:
        """The answer. Raises ContentRefused, DrawFailed (retryable where the answer was lost), Unavailable."""
        waited, pause = 0.0, self._settings.first_pause
        for left in reversed(range(self._settings.tries)):
            response = await self._tried(call)
            if isinstance(response, Answer):
                return response
            error, wait = response
            self.count("failed", 0.0)
            wait = random.uniform(0.75, 1.25) * min(pause, LONGEST_PAUSE) if wait is None else wait
            if not left or waited + wait > self._settings.longest_wait:
                raise error
            log.warning("an image server is asked again", seconds=round(wait, 2), reason=error.detail)
            await asyncio.sleep(wait)
            waited, pause = waited + wait, pause * 2
        raise AssertionError("the last try returns or raises")

    async def _tried(self, call: Call) -> Answer | tuple[InterleaveError, float | None]:
        """The answer, or why it is worth another try and in how many seconds, where the server says so."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.seconds):
                response, body = await self._send("POST", call)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return self._away(error), None
        except (httpx2.HTTPError, TimeoutError) as error:
            raise self._lost(f"{type(error).__name__} after {time.monotonic() - began:.0f} s") from None
        except asyncio.CancelledError:  # dropped by us: what the server makes of that, it alone knows
            self.count("lost", self._settings.price.image)
            raise
        said = _json(body)
        if response.status_code == 200:
            return Answer(said if isinstance(said, dict) else None, response.headers)
        if response.status_code in LOST:
            raise self._lost(f"it answered {response.status_code}")
        return self._refused(response, said)

    def _refused(self, response: httpx2.Response, said: Any) -> tuple[InterleaveError, float | None]:
        status, refusal = response.status_code, self._read(response.status_code, said)
        words = self.say(refusal.words or said)
        if refusal.content:
            self.count("refused", 0.0)
            raise ContentRefused(f"{self.base_url} refuses to draw this: {words}")
        if (status == 429 and not refusal.quota) or status in (408, 409, 425) or status >= 500:
            wait = retry_after(response.headers)
            wait = refusal.wait if wait is None else wait
            busy = "is asked too much at once" if status == 429 else f"failed ({status})"
            return Unavailable(f"{self.base_url} {busy}: {words}", **({"retry_after": wait} if wait else {})), wait
        self.count("failed", 0.0)
        if refusal.quota:
            raise DrawFailed(f"the account at {self.base_url} is spent, look at its billing page: {words}")
        if status in (401, 403):
            raise DrawFailed(f"{self.base_url} refuses the key ({status}): set generator.hosted.api_key. {words}")
        if 300 <= status < 400:
            raise DrawFailed(
                f"{self.base_url} sends elsewhere ({status}): set generator.hosted.base_url to where it is"
            )
        raise DrawFailed(f"{self.base_url} refuses the request ({status}): {words}")

    async def _send(self, method: str, call: Call) -> tuple[httpx2.Response, bytes]:
        async with self._http.stream(
            method, self.base_url + call.path, json=call.json, data=call.form, files=list(call.files) or None
        ) as response:
            data = bytearray()
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > self._settings.max_bytes:
                    self.count("unusable", self._settings.price.image)
                    raise DrawFailed(f"{self.base_url} answered more than {self._settings.max_bytes} bytes")
            return response, bytes(data)

    def _away(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self.base_url} cannot be reached: {self.say(error) or type(error).__name__}")

    def _lost(self, how: str) -> DrawFailed:
        self.count("lost", self._settings.price.image)
        error = DrawFailed(f"{self.base_url} gave no answer ({how}); the call may have been billed")
        error.retryable = True
        return error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks us to wait; None where it does not say."""
    try:
        if text := headers.get("retry-after-ms"):
            return max(0.0, float(text) / 1000)
        text = headers.get("retry-after", "")
        return max(0.0, float(text)) if text.replace(".", "", 1).isdecimal() else _until(text)
    except ValueError:
        return None


def _until(date: str) -> float | None:
    return max(0.0, parsedate_to_datetime(date).timestamp() - time.time()) if date else None


def _json(body: bytes) -> Any:
    """The JSON, else the beginning of the text."""
    try:
        return from_json(body)
    except ValueError:
        return body[:1000].decode(errors="replace")
