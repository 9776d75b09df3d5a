"""A response that its caller deletes: its run is ended, and all that is known of it deleted.

Its pictures go with the next collection (`collection`), when no other run refers to them.
"""

from __future__ import annotations

import structlog

from interleavethinker.errors import Conflict, NotFound
from services.orchestrator.answers import House

log = structlog.get_logger(__name__)


async def forget(house: House, run_id: str) -> None:
    """Raises NotFound, and Conflict while webhooks are still to be told of it."""
    if await house.runs.cancel(run_id) == "unknown":
        raise NotFound(f"there is no run {run_id!r}")
    if not await house.journal.forget(run_id):
        raise Conflict("webhooks are still being told of it; delete it again once they were", run_id=run_id)


async def forget_answered(house: House, run_id: str) -> None:
    """The same for one that its caller did not want stored. Where webhooks are told of it, it stays until retention."""
    try:
        await forget(house, run_id)
    except (NotFound, Conflict) as error:
        log.info("a response was to be forgotten and is not", run_id=run_id, reason=error.detail)
