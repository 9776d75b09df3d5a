"""The routes of POST /interleave and of the runs it makes.

Deliberately not here: what a run does (`runs`), the shapes (`door`, `views`), and building the app (`app`).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from interleavethinker import http
from interleavethinker.document import fold
from interleavethinker.errors import NotFound
from interleavethinker.events import Resumed, Status
from services.orchestrator.access import listed_tenant
from services.orchestrator.answers import (
    EVENTS,
    Accept,
    IdempotencyKey,
    InHouse,
    Owner,
    Prefer,
    RunId,
    answer,
    key_of,
    problems,
    stream,
    taken_up,
)
from services.orchestrator.door import Ask
from services.orchestrator.edits import has_budget
from services.orchestrator.rounds import draws_of
from services.orchestrator.thumbnails import MEDIA_TYPE, Width
from services.orchestrator.views import CancelView, DocumentView, RunList
from services.orchestrator.wishes import ResumeAsk
from services.strict import StrictRoute

EVENT_STREAM: dict[str, Any] = {
    "description": "The events, each with its number as `id`, `progress` without one; ends after the last `finished`.",
    "content": EVENTS,
}
TENANT = r"^[A-Za-z0-9~][A-Za-z0-9._-]{0,63}$"
router = APIRouter(tags=["documents"], route_class=StrictRoute)


@router.post("/interleave", **taken_up("Taken up; follow the links."))
async def make_document(
    ask: Ask,
    request: Request,
    house: InHouse,
    owner: Owner,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = "",
    accept: Accept = "",
) -> Response:
    """Make an illustrated document: it is planned, drawn, judged and redrawn, step by step.

    Answers at once with links; or waits; or streams. However it answers, and if the caller leaves, the work goes on.
    """
    hooks = house.hooks(ask.webhook)
    house.runs.generators.check(ask.generator)
    await house.guards.admit(ask.prompt, ask.style, ask.characters)
    asked = await ask.request(house.blobs, house.settings.images, house.fetch)
    action = f"interleave {ask.webhook.canonical() if ask.webhook else ''}"
    key = key_of(house, idempotency_key, owner, action, asked)
    begun = await house.runs.begin(asked, owner=owner, hooks=hooks, key=key)
    return await answer(house, begun, request, prefer, accept)


@router.get("/interleave", responses=problems(403, 422))
async def list_runs(
    request: Request,
    house: InHouse,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[
        str | None, Query(description="`next` of the page before", pattern="^[0-9]{1,18}$", examples=["17"])
    ] = None,
    status: Annotated[list[Status] | None, Query(description="only runs in this status; may be given again")] = None,
    tenant: Annotated[
        str | None,
        Query(description="for an administrator: whose runs", pattern=TENANT, examples=["garden"]),
    ] = None,
    search: Annotated[
        str | None,
        Query(
            description="only runs with this in their prompt or a step's name, in any case",
            max_length=200,
            examples=["snowman"],
        ),
    ] = None,
) -> RunList:
    """All of the caller's runs, or for an administrator those of the tenant that is named, newest first."""
    owner = listed_tenant(request, tenant)
    page = await house.journal.runs(limit=limit, cursor=cursor, statuses=status or (), owner=owner, search=search)
    return RunList(runs=await house.views(request, page.runs), next=page.cursor)


@router.get("/interleave/{run_id}", responses=problems(404, 422))
async def read_run(run_id: RunId, request: Request, house: InHouse) -> DocumentView:
    """How the run stands, and its document as far as it has come."""
    return await house.view(request, run_id)


@router.get(
    "/interleave/{run_id}/events", response_class=StreamingResponse, responses={200: EVENT_STREAM, **problems(404, 422)}
)
async def follow_run(
    run_id: RunId,
    request: Request,
    house: InHouse,
    after: Annotated[int, Query(ge=0, lt=2**31, description="only events with a higher number")] = 0,
    last_event_id: Annotated[
        int, Header(ge=0, lt=2**31, description="the same, as a browser sends it when it reconnects")
    ] = 0,
    progress: Annotated[bool, Query(description="also how the drawing under way comes along")] = True,
) -> Response:
    """The run's events as they happen, from the first one on or from where the caller left off."""
    await house.journal.run(run_id)  # an unknown run is a 404, not an empty stream
    following = house.following(request, run_id)
    return stream(following, max(after, last_event_id), {http.RUN_ID: run_id}, progress=progress)


@router.get(
    "/interleave/{run_id}/images/{digest}",
    response_class=Response,
    responses={
        200: {"description": "The picture.", "content": {"image/png": {}, MEDIA_TYPE: {}}},
        304: {"description": "Unchanged."},
        **problems(404, 422),
    },
)
async def read_image(
    run_id: RunId,
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    house: InHouse,
    width: Annotated[
        Width | None, Query(description="scaled down to so many pixels, as WebP; a narrower picture comes as it is")
    ] = None,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A picture of this run: one of the request's, or any attempt's. It never changes, so it may be cached for ever."""
    image = (await house.journal.document(run_id)).images.get(digest)
    if image is None:
        raise NotFound(f"run {run_id} has no image {digest}")
    small = width if width and width < image.width else None
    tag = f'"{digest}-{small}"' if small else f'"{digest}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=31536000, immutable"}
    if tag in if_none_match:
        return Response(status_code=304, headers=headers)
    headers["X-Content-Type-Options"] = "nosniff"
    if small:
        return Response(await house.thumbnails.of(image, small), media_type=MEDIA_TYPE, headers=headers)
    return Response(await house.blobs.get(digest), media_type=image.media_type, headers=headers)


@router.delete("/interleave/{run_id}", responses=problems(404, 422))
async def cancel_run(run_id: RunId, house: InHouse) -> CancelView:
    """Cancel the run. What it has finished stays readable."""
    answer = await house.runs.cancel(run_id)
    if answer == "unknown":
        raise NotFound(f"there is no run {run_id!r}", cancel=answer)
    return CancelView(cancel=answer)


@router.post("/interleave/{run_id}/resume", **taken_up("The run goes on; follow the links.", 404))
async def resume_run(
    run_id: RunId, request: Request, house: InHouse, owner: Owner, ask: ResumeAsk | None = None,
    idempotency_key: IdempotencyKey = None, prefer: Prefer = "", accept: Accept = "",
) -> Response:  # fmt: skip
    """Let a run that ended `partial` or `failed` go on from what stands: nothing recorded is asked or drawn again.

    Its `budget.max_seconds` counts anew; drawings made count on, so a spent `max_draws` needs a higher one in the body.
    """
    recorded = await house.journal.events(run_id)
    wish = Resumed(budget=ask.budget if ask else None)
    key = key_of(house, idempotency_key, owner, f"resume {run_id}", wish)
    begun = await house.earlier(key)
    if begun is None:
        has_budget(wish.budget or fold(recorded).request.budget, draws_of([each.event for each in recorded]))
        begun = await house.runs.wish(run_id, [wish], key=key)
    return await answer(house, begun, request, prefer, accept, after=recorded[-1].seq)
