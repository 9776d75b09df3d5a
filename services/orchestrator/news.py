"""Who is woken when something was recorded: the followers of a run, and whoever looks for runs to work on.

Those of this process are told at once, those of other replicas on the same Postgres through LISTEN and NOTIFY. Also how
drawings come along (`board`) is heard here, since one connection is enough. News may
be lost (a cut connection, SQLite): whoever waits also looks by itself now and then. Nothing here is the truth.
"""

from __future__ import annotations

import asyncio
import random
from weakref import WeakValueDictionary

import asyncpg
import structlog
from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.orchestrator.board import Board

log = structlog.get_logger(__name__)

CHANNEL = "interleavethinker_runs"
PROGRESS_CHANNEL = "interleavethinker_progress"
WORK = ("created", "resumed", "released", "finished", "step_reopened", "plan_awaited", "plan_approved")
"""What may leave a run to claim, or one to drop."""
DEAF_SECONDS = 1.0
TELLING_SECONDS = 0.25
"""Between two messages on drawings, each of which holds all that changed meanwhile."""


class News:
    """`work` is set when it may be worth looking for runs; `board` shows how drawings come along."""

    def __init__(self, *, shared: bool = False) -> None:
        self.work, self.board = asyncio.Event(), Board(shared=shared)
        self._followers: WeakValueDictionary[str, asyncio.Condition] = WeakValueDictionary()
        self._telling: set[asyncio.Task[None]] = set()

    def of(self, run_id: str) -> asyncio.Condition:
        """Hold it while looking, wait on it for more."""
        return self._followers.setdefault(run_id, asyncio.Condition())

    async def tell(self, run_id: str, kind: str) -> None:
        """Wake those of this process."""
        if kind in WORK:
            self.work.set()
        if followers := self._followers.get(run_id):
            async with followers:
                followers.notify_all()

    async def listen(self, url: str) -> None:
        """Hear what other replicas record, for ever; a cut connection is made anew."""
        dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                await self._listen(dsn)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("other replicas are not heard for a moment", reason=str(error) or type(error).__name__)
            await asyncio.sleep(DEAF_SECONDS * random.uniform(0.5, 1.5))

    async def _listen(self, dsn: str) -> None:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            cut = asyncio.Event()
            connection.add_termination_listener(lambda _: cut.set())
            await connection.add_listener(CHANNEL, self._hear)
            await connection.add_listener(PROGRESS_CHANNEL, lambda *said: self.board.hear(str(said[-1])))
            self.work.set()  # whatever came while nobody listened
            for run_id in list(self._followers):
                await self.tell(run_id, "heard")
            await cut.wait()
        finally:
            connection.terminate()

    def _hear(self, _: object, __: int, ___: str, payload: object) -> None:
        run_id, _, kind = str(payload).partition(" ")
        telling = asyncio.ensure_future(self.tell(run_id, kind))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)


async def announce_progress(engine: AsyncEngine, board: Board) -> None:
    """Tell the other replicas how the drawings of this one come along, a few times a second; for ever."""
    while True:
        said = await board.unsaid()
        try:
            async with engine.begin() as db:
                for text in said:
                    await db.execute(select(func.pg_notify(PROGRESS_CHANNEL, text)))
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.debug("other replicas are not told of drawings", reason=str(error))
        await asyncio.sleep(TELLING_SECONDS)


async def announce(db: AsyncConnection, run_id: str, kind: str) -> None:
    """Tell the other replicas, when and if the transaction is committed."""
    if db.dialect.name == "postgresql":
        await db.execute(select(func.pg_notify(CHANNEL, f"{run_id} {kind}")))
