"""The routes of share links: making, showing and revoking a run's, and what opens with one.

Deliberately not here: which requests a token opens (`access`), and the tokens (`shares`).
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request

from interleavethinker import http
from interleavethinker.errors import NotFound
from services.orchestrator.access import Caller
from services.orchestrator.answers import House, IdempotencyKey, InHouse, Owner, RunId, key_of, problems
from services.orchestrator.reshapes import RevokeView, ShareAsk, ShareView
from services.orchestrator.shares import Share
from services.orchestrator.views import DocumentView
from services.strict import StrictRoute

router = APIRouter(tags=["documents"], route_class=StrictRoute)


@router.post("/interleave/{run_id}/share", responses=problems(404, 409, 422))
async def share_run(
    run_id: RunId, request: Request, house: InHouse, owner: Owner, ask: ShareAsk | None = None,
    idempotency_key: IdempotencyKey = None,
) -> ShareView:  # fmt: skip
    """A link with which anybody reads this run, and nothing else. A run has one: asked for again, it gets another
    end."""
    await house.journal.run(run_id)
    ask = ask or ShareAsk()
    key = key_of(house, idempotency_key, owner, f"share {run_id}", ask)
    lives = None if ask.expires_in is None else timedelta(seconds=ask.expires_in)
    return _view(house, request, await house.shares.give(run_id, lives, key=key))


@router.get("/interleave/{run_id}/share", responses=problems(404, 422))
async def read_share(run_id: RunId, request: Request, house: InHouse) -> ShareView:
    """The run's link. A 404 where it has none, or none any more."""
    share = await house.shares.of_run(run_id)
    if share is None:
        raise NotFound(f"run {run_id} is not shared")
    return _view(house, request, share)


@router.delete("/interleave/{run_id}/share", responses=problems(404, 422))
async def revoke_share(run_id: RunId, house: InHouse) -> RevokeView:
    """End the run's link at once."""
    await house.journal.run(run_id)
    return RevokeView(revoked=await house.shares.revoke(run_id))


@router.get("/share", responses=problems(404))
async def read_shared(request: Request, house: InHouse) -> DocumentView:
    """The document that a share link is of, for whoever sends its token: which run it is, is in the answer."""
    caller: Caller = request.state.caller
    if caller.share is None:
        raise NotFound("send a share link's token, as `Authorization: Share <token>` or `?share=<token>`")
    http.tenant.set(await house.journal.owner(caller.share.run_id))
    return await house.view(request, caller.share.run_id)


def _view(house: House, request: Request, share: Share) -> ShareView:
    url = f"{house.base_url(request).rstrip('/')}/shared/{share.token}"
    return ShareView(url=url, token=share.token, expires_at=share.expires_at)
