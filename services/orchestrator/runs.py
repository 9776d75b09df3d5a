"""The runs, as callers ask for them: starting, canceling, resuming, waiting.

Every replica on a journal does this; which one works on a run is decided by leases (`claims`). Deliberately not here:
what is done with a run (`making`), and what is stored (`journal`).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import aclosing
from typing import Literal

import structlog
from pydantic import JsonValue

from interleavethinker import tracing
from interleavethinker.errors import Conflict, NotFound
from interleavethinker.events import Event, Finished, Status
from interleavethinker.ports import Critic, Generator, Planner
from interleavethinker.types import InterleaveRequest
from services.orchestrator.claims import Claims
from services.orchestrator.generators import Generators
from services.orchestrator.idempotency import Key
from services.orchestrator.journal import Begun, Journal
from services.orchestrator.leases import Leases
from services.orchestrator.making import Ended, Making
from services.orchestrator.metrics import RunMetrics
from services.orchestrator.outbox import Hook
from services.orchestrator.reach import Reach
from services.orchestrator.screening import Guards
from services.orchestrator.traced import tell_asked, tell_end

log = structlog.get_logger(__name__)

CancelAnswer = Literal["requested", "already_done", "unknown"]


class Runs:
    """Works on runs of the journal in tasks of this process, at most `at_once` of them at a time; the others wait as
    `queued`, or are worked on by other replicas. It begins with `open`, or with the first run that is started here.

    `lease_seconds`: after so much silence others take a run over, but no more often than `max_losses` times where it
    does not come further. `patience`: seconds that a run waits for each service. `reach`: how far ahead of a run's loop
    is worked. `ended`: see `Making`."""

    def __init__(
        self,
        journal: Journal,
        *,
        planner: Planner,
        critic: Critic,
        generator: Generator | Generators,
        at_once: int = 4,
        reach: Reach = Reach(),
        lease_seconds: float = 10.0,
        patience: float = 900.0,
        max_losses: int = 5,
        at_once_per_owner: int | None = None,
        queued_per_owner: int | None = None,
        guards: Guards | None = None,
        ended: Ended = lambda _, __: None,
    ) -> None:
        self.journal = journal
        self._queued_per_owner = queued_per_owner
        self.generators = generator if isinstance(generator, Generators) else Generators(generator)
        making = Making(
            journal,
            planner=planner,
            critic=critic,
            generators=self.generators,
            guards=guards or Guards(),
            reach=reach,
            patience=patience,
            max_losses=max_losses,
            ended=ended,
        )
        self.replica = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        leases = Leases(journal.engine, self.replica, lease_seconds, per_owner=at_once_per_owner)
        self._claims = Claims(leases, journal.news, making, at_once=at_once)

    def open(self) -> None:
        """Begin to work on whatever waits in the journal."""
        self._claims.open()

    async def start(self, request: InterleaveRequest, *, owner: str | None = None) -> str:
        """Write the run into the journal, for the first replica that has room; its id."""
        return (await self.begin(request, owner=owner)).run_id

    async def begin(
        self,
        request: InterleaveRequest,
        *,
        owner: str | None = None,
        events: Sequence[Event] = (),
        hooks: Sequence[Hook] = (),
        key: Key | None = None,
        door: dict[str, JsonValue] | None = None,
    ) -> Begun:
        """The same with what the run shares with another one (`events`), whom to tell of it, a key that makes the call
        safe to repeat, and what the door that it came through gives back of it."""
        begun = await self.journal.begin(
            request,
            owner=owner,
            events=events,
            hooks=hooks,
            key=key,
            most_waiting=self._queued_per_owner,
            door=door,
        )
        tell_asked(begun.run_id)
        self.open()
        return begun

    async def wish(
        self, run_id: str, wishes: Sequence[Event], *, key: Key | None = None, seen: int | None = None
    ) -> Begun:
        """Write what the run's caller wishes into the journal; whoever has room goes on with it where that is to be
        done. Raises NotFound, Conflict where the run's state does not allow it, and Changed where `seen` is not its
        last event any more."""
        begun = await self.journal.wish(run_id, wishes, key=key, seen=seen)
        self.open()
        return begun

    async def cancel(self, run_id: str) -> CancelAnswer:
        """End the run as `canceled`; what it has finished stays readable. On return nothing of it is under way here;
        another replica that works on it stops within a second."""
        end = Finished(status=Status.CANCELED)
        try:
            # The end is written first: from here on the journal takes no other event of this run.
            RunMetrics([]).observe(end, (await self.journal.append(run_id, end)).at)
        except NotFound:
            return "unknown"
        except Conflict:
            return "already_done"
        await self._claims.drop(run_id)
        if tracing.on():
            tell_end(run_id, await self.journal.events(run_id), end)
        return "requested"

    async def wait(self, run_id: str, seconds: float) -> bool:
        """Wait for the run's end; False when it has not come within `seconds`. Raises NotFound."""
        try:
            async with asyncio.timeout(seconds), aclosing(self.journal.follow(run_id)) as events:
                async for _ in events:
                    pass
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop working, with no word in the journal: other replicas take the runs up at once, or this one at its next
        start."""
        await self._claims.close()
