"""What a foreign server said, as we may repeat it: short, in one line, and without any key."""

from __future__ import annotations

import re
from collections.abc import Iterable

from interleavethinker.codec import plain

_KEYS = re.compile(r"\b(sk|AIza|Bearer )[\w*.-]{6,}")
"""What looks like a key of the known providers, also where it is not ours or is half hidden already."""


def repeated(text: object, secrets: Iterable[str] = (), most: int = 300) -> str:
    """The text for an error or a log line."""
    said = str(text)
    for secret in secrets:
        if secret:
            said = said.replace(secret, "***")
    said = " ".join(plain(_KEYS.sub("***", said)).split())
    return said if len(said) <= most else said[: most - 1] + "…"
