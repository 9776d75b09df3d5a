"""Links to pictures that open without a key, for a while: for pages and <img> tags, which cannot send headers.

A link names one picture of one run, or the preview of one attempt, and the second at which it ends; the signature is
over all three, so that none can be changed. Deliberately not here: whether the run has that picture (the route looks).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from urllib.parse import urlencode

_PICTURE = re.compile(
    r"/interleave/(?P<run>[\w-]{1,64})/"
    r"(?:images/(?P<digest>[0-9a-f]{64})|(?P<preview>steps/\d{1,7}/attempts/\d{1,7}/preview))",
    re.ASCII,
)
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)


class Signer:
    """Signs links and opens them. Every replica needs the same secret; another secret ends all links at once."""

    def __init__(self, secret: str, seconds: int) -> None:
        self._secret, self._seconds = secret.encode(), seconds

    def query(self, run_id: str, picture: str) -> str:
        """`expires=...&signature=...` for a picture, named by its digest, or for a preview, by its path below the run
        (`steps/2/attempts/1/preview`). The same for a quarter of a link's life: browsers can cache."""
        quarter = max(1, self._seconds // 4)
        expires = (int(time.time()) // quarter + 1) * quarter + self._seconds
        return urlencode({"expires": expires, "signature": self._signature(run_id, picture, expires)})

    def opens(self, method: str, path: str, query: Mapping[str, str]) -> bool:
        """Whether this is a request for a picture by a link that is whole and has not ended."""
        found = _PICTURE.fullmatch(path)
        expires, signature = query.get("expires", ""), query.get("signature", "")
        if method not in ("GET", "HEAD") or not found or not _SECONDS.fullmatch(expires):
            return False
        wanted = self._signature(found["run"], found["digest"] or found["preview"], int(expires))
        return hmac.compare_digest(wanted.encode(), signature.encode()) and int(expires) > time.time()

    def _signature(self, run_id: str, picture: str, expires: int) -> str:
        text = f"{run_id}\n{picture}\n{expires}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
