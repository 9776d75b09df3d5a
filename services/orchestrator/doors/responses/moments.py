"""What a live reader of a stream is told of: a run's events, and between them how the drawing under way comes along.

The events are the journal's. The rest is only seen by whoever looks at the time (`board`), and may be missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from interleavethinker.events import Recorded
from services.orchestrator.board import Board, Showing
from services.orchestrator.journal import Journal


async def moments(journal: Journal, board: Board, run_id: str) -> AsyncGenerator[Recorded | Showing, None]:
    """From the run's first event on, to its end."""
    async with aclosing(journal.follow(run_id)) as events:
        with board.following(run_id) as news:
            upcoming: asyncio.Future[Recorded | None] = asyncio.ensure_future(anext(events, None))
            looking = asyncio.ensure_future(news.wait())
            try:
                while True:
                    await asyncio.wait((upcoming, looking), return_when=asyncio.FIRST_COMPLETED)
                    if upcoming.done():  # first: what is drawn now is of a step that the events have told
                        if (recorded := upcoming.result()) is None:
                            return
                        upcoming = asyncio.ensure_future(anext(events, None))
                        yield recorded
                    else:
                        news.clear()
                        looking = asyncio.ensure_future(news.wait())
                        if showing := board.of(run_id):
                            yield showing
            finally:
                upcoming.cancel()
                looking.cancel()
                await asyncio.gather(upcoming, looking, return_exceptions=True)
