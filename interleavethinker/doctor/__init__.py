"""What a stack on this machine needs, looked at piece by piece: a finding for each, and how to mend what is wrong.

It starts nothing and changes nothing. Of the services it knows only what `python -m services.checkup` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from interleavethinker.doctor.finding import Finding, note
from interleavethinker.doctor.gpu import gpu
from interleavethinker.doctor.machine import checkup, disk, missing, packages, ports
from interleavethinker.doctor.models import models
from interleavethinker.doctor.remote import service
from interleavethinker.doctor.stores import database, queue

__all__ = ["Finding", "examine"]


def examine(url: str | None = None, api_key: str | None = None) -> Iterator[Finding]:
    """Everything that there is to look at here; `url`: a service that is looked at as well."""
    yield from packages()
    if missing():
        yield note("stack", "only the client is installed: this machine can start no stack", INSTALL)
    else:
        found = checkup()
        yield from found.findings
        yield from _stack(found.sections, found.journal)
    if url:
        yield from service(url, api_key)


INSTALL = "for a stack here: pip install 'interleavethinker[serve,models]'"


def _stack(sections: dict[str, dict[str, Any]], journal: dict[str, Any] | None) -> Iterator[Finding]:
    yield from models(sections)
    yield from gpu(sections)
    yield from queue()
    yield from database(journal)
    yield from disk()
    yield from ports(sections)
