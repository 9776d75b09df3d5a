"""How often this installation's critic accepts a first look, as far as is known by now: what a guess is worth.

An estimate with a prior and a bounded memory, so that a few verdicts neither decide nor last for ever. Deliberately not
here: what follows from it (`foresight`).
"""

from __future__ import annotations

PRIOR, PRIOR_WEIGHT = 0.7, 4.0
"""What is believed before anything was judged, and how many verdicts that is worth."""
MEMORY = 64.0
"""Verdicts after which an old one counts for a third (1/e)."""


class Acceptance:
    """The share of attempts that are accepted. `among`: the estimate to begin with, which this one also teaches: that
    of the whole installation, for a run's."""

    def __init__(self, among: Acceptance | None = None) -> None:
        self._among, self._prior = among, among.rate if among else PRIOR
        self._accepted, self._judged = 0.0, 0.0

    @property
    def rate(self) -> float:
        return (self._accepted + PRIOR_WEIGHT * self._prior) / (self._judged + PRIOR_WEIGHT)

    def observe(self, accepted: bool) -> None:
        kept = 1 - 1 / MEMORY
        self._accepted, self._judged = self._accepted * kept + accepted, self._judged * kept + 1
        if self._among:
            self._among.observe(accepted)
