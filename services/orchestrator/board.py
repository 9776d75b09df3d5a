"""How far the drawings under way are, for whoever follows a run on this replica.

It holds the latest word on each run, in memory only: nothing of it is in the journal, and whatever is lost is said
again with the next denoising step. Words of other replicas come in through `hear`, and this one's go out through
`unsaid` (`news` carries them). The previews themselves stay with the generator. Deliberately not here: what a follower
is shown (`following`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from pydantic import ValidationError

from interleavethinker.ports import DrawProgress, OnProgress
from interleavethinker.types import Value

MOST_RUNS = 10_000
"""Kept in memory; those that were heard of longest ago are forgotten first."""

under_way: ContextVar[tuple[int, int]] = ContextVar("under_way")
"""The step and the attempt's number that the loop has drawn now."""


class Showing(Value):
    """How far an attempt's drawing is; the fields of `ports.DrawProgress`, and whose it is."""

    run_id: str
    step: int
    number: int
    job_id: str
    done: int = 0
    of: int = 0
    previews: int = 0
    ahead: int | None = None


class Board:
    """The latest `Showing` of each run. `shared`: there are other replicas to tell."""

    def __init__(self, *, shared: bool = False) -> None:
        self._shared, self._name = shared, secrets.token_hex(4)
        self._shown: OrderedDict[str, Showing] = OrderedDict()
        self._unsaid: dict[str, Showing] = {}
        self._news = asyncio.Event()
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def of(self, run_id: str) -> Showing | None:
        return self._shown.get(run_id)

    def teller(self, run_id: str, *, previews: bool = True) -> OnProgress:
        """For `ports.watching` of whoever works on the run. Without `previews`, none is ever shown."""

        def tell(progress: DrawProgress) -> None:
            step, number = under_way.get()
            told = progress if previews else progress._replace(previews=0)
            showing = Showing(run_id=run_id, step=step, number=number, **told._asdict())
            self._show(showing)
            if self._shared:
                self._unsaid[run_id] = showing
                self._news.set()

        return tell

    def hear(self, text: str) -> None:
        """Another replica's word. Of another version's that cannot be read, nothing is made."""
        name, _, said = text.partition(" ")
        if name == self._name:
            return
        with suppress(ValidationError):
            self._show(Showing.model_validate_json(said))

    async def unsaid(self) -> list[str]:
        """What other replicas have not been told yet, as soon as there is something: the latest word on each run."""
        await self._news.wait()
        self._news.clear()
        said, self._unsaid = self._unsaid, {}
        return [f"{self._name} {showing.model_dump_json()}" for showing in said.values()]

    @contextmanager
    def following(self, run_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is another word on the run."""
        news = asyncio.Event()
        self._followers[run_id].add(news)
        try:
            yield news
        finally:
            self._followers[run_id].discard(news)
            if not self._followers[run_id]:
                del self._followers[run_id]

    def _show(self, showing: Showing) -> None:
        if self._shown.get(showing.run_id) == showing:
            return
        self._shown[showing.run_id] = showing
        self._shown.move_to_end(showing.run_id)
        if len(self._shown) > MOST_RUNS:
            self._shown.popitem(last=False)
        for news in self._followers.get(showing.run_id, ()):
            news.set()
