"""A service at a URL: it answers, is ready, and takes the key."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2

from interleavethinker.client import Client
from interleavethinker.doctor.finding import Finding, ok, wrong
from interleavethinker.errors import InterleaveError, Unauthenticated
from interleavethinker.settings import PREFIX


def service(url: str, api_key: str | None) -> Iterator[Finding]:
    try:
        answer = httpx2.get(f"{url.rstrip('/')}/readyz", timeout=5.0)
        ready = answer.is_success or str(answer.json().get("detail", answer.status_code))
    except (httpx2.TransportError, httpx2.InvalidURL) as error:
        yield wrong(
            "service", f"{url} does not answer: {error}", "start it (`interleavethinker serve`), or correct --url"
        )
        return
    except ValueError:
        ready = f"it answers {answer.status_code}"
    if ready is not True:
        yield wrong("service", f"{url} is not ready: {ready}", "look after the part that it names, and at its log")
        return
    try:
        with Client(url, api_key=api_key, patience=0) as client:
            runs = list(zip(range(1), client.runs(page=1), strict=False))
    except Unauthenticated as error:
        yield wrong("service", f"{url}: {error.detail}", f"set {PREFIX}API_KEY to a key of that service")
    except InterleaveError as error:
        yield wrong("service", f"{url}: {error.detail}", "is this an orchestrator of InterleaveThinker?")
    else:
        yield ok("service", f"{url} is ready" + (", and has runs of yours" if runs else ""))
