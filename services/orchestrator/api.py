"""The routes of POST /interleave and of the runs it makes.

Deliberately not here: what a run does (`runs`), the shapes (`door`), and building the app (`app`).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from interleavethinker import http
from interleavethinker.errors import NotFound
from interleavethinker.ports import Blobs
from services.orchestrator.door import Ask, CancelView, DocumentView, Links, ResumeAsk, RunList, RunView
from services.orchestrator.intake import Fetch
from services.orchestrator.journal import Journal
from services.orchestrator.links import Signer
from services.orchestrator.runs import Runs
from services.orchestrator.screening import Guards
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.stream import as_sse
from services.strict import StrictRoute


class House(NamedTuple):
    """What the routes need; the app puts it into `app.state.house` when it starts."""

    settings: OrchestratorSettings
    journal: Journal
    runs: Runs
    blobs: Blobs
    signer: Signer | None = None
    fetch: Fetch | None = None
    guards: Guards = Guards()

    @property
    def retention(self) -> timedelta | None:
        """How long a run is kept, from when it was asked for."""
        days = self.settings.retention_days
        return None if days is None else timedelta(days=days)

    def base_url(self, request: Request) -> str:
        return self.settings.public_url or str(request.base_url)


def _house(request: Request) -> House:
    return request.app.state.house


InHouse = Annotated[House, Depends(_house)]
RunId = Annotated[str, Path(description="as POST /interleave gave it", examples=["run_0123456789abcdef01234567"])]
EVENT_STREAM: dict[str, Any] = {
    "description": "The events, each with its number as `id`; ends after the last `finished`.",
    "content": {http.EVENT_STREAM: {"schema": {"type": "string"}}},
}
router = APIRouter(tags=["documents"], route_class=StrictRoute)


@router.post(
    "/interleave",
    status_code=202,
    response_model=RunView,
    responses={
        200: {
            "description": "`Prefer: wait=N`: finished in time. `Accept: text/event-stream`: the events.",
            "model": DocumentView,
            "content": {http.EVENT_STREAM: {"schema": {"type": "string"}}},
        },
        202: {"description": "Taken up; follow the links.", "headers": {"Location": {"schema": {"type": "string"}}}},
    },
)
async def make_document(
    ask: Ask,
    request: Request,
    house: InHouse,
    prefer: Annotated[str, Header(description="`wait=N`: answer with the document if it is done in N seconds")] = "",
    accept: Annotated[str, Header(description="`text/event-stream`: answer with the events")] = "",
) -> Response:
    """Make an illustrated document: it is planned, drawn, judged and redrawn, step by step.

    Answers at once with links; or waits; or streams. However it answers, and if the caller leaves, the work goes on.
    """
    await house.guards.admit(ask.prompt)
    run_id = await house.runs.start(await ask.request(house.blobs, house.settings.images, house.fetch))
    headers = {"Location": Links.of(run_id, house.base_url(request)).self, http.RUN_ID: run_id}
    if http.EVENT_STREAM in accept:
        return _stream(house, run_id, 0, headers)
    if wished := re.search(r"\bwait=(\d+)", prefer):
        seconds = min(float(wished[1]), house.settings.wait_seconds)
        headers["Preference-Applied"] = f"wait={seconds:.0f}"
        if await house.runs.wait(run_id, seconds):
            view = DocumentView.of(
                await house.journal.document(run_id), house.base_url(request), house.signer, house.retention
            )
            return JSONResponse(view.model_dump(mode="json"), headers=headers)
    run = RunView.of(await house.journal.run(run_id), house.base_url(request), house.retention)
    return JSONResponse(run.model_dump(mode="json"), status_code=202, headers=headers)


@router.get("/interleave")
async def list_runs(
    request: Request,
    house: InHouse,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> RunList:
    """All of the caller's runs, newest first."""
    page = await house.journal.runs(owner=http.tenant.get(), limit=limit, cursor=cursor)
    return RunList(
        runs=[RunView.of(run, house.base_url(request), house.retention) for run in page.runs], next=page.cursor
    )


@router.get("/interleave/{run_id}")
async def read_run(run_id: RunId, request: Request, house: InHouse) -> DocumentView:
    """How the run stands, and its document as far as it has come."""
    return DocumentView.of(await house.journal.document(run_id), house.base_url(request), house.signer, house.retention)


@router.get("/interleave/{run_id}/events", response_class=StreamingResponse, responses={200: EVENT_STREAM})
async def follow_run(
    run_id: RunId,
    house: InHouse,
    after: Annotated[int, Query(ge=0, lt=2**31, description="only events with a higher number")] = 0,
    last_event_id: Annotated[int, Header(ge=0, lt=2**31, description="the same, as a browser says it")] = 0,
) -> Response:
    """The run's events as they happen, from the first one on or from where the caller left off."""
    await house.journal.run(run_id)  # an unknown run is a 404, not an empty stream
    return _stream(house, run_id, max(after, last_event_id), {http.RUN_ID: run_id})


@router.get(
    "/interleave/{run_id}/images/{digest}",
    response_class=Response,
    responses={200: {"description": "The picture.", "content": {"image/png": {}}}, 304: {"description": "Unchanged."}},
)
async def read_image(
    run_id: RunId,
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    house: InHouse,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """A picture of this run: one of the request's, or any attempt's. It never changes, so it may be cached for ever."""
    image = (await house.journal.document(run_id)).images.get(digest)
    if image is None:
        raise NotFound(f"run {run_id} has no image {digest}")
    headers = {"ETag": f'"{digest}"', "Cache-Control": "private, max-age=31536000, immutable"}
    if digest in if_none_match:
        return Response(status_code=304, headers=headers)
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(await house.blobs.get(digest), media_type=image.media_type, headers=headers)


@router.delete("/interleave/{run_id}")
async def cancel_run(run_id: RunId, house: InHouse) -> CancelView:
    """Cancel the run. What it has finished stays readable."""
    answer = await house.runs.cancel(run_id)
    if answer == "unknown":
        raise NotFound(f"there is no run {run_id!r}", cancel=answer)
    return CancelView(cancel=answer)


@router.post("/interleave/{run_id}/resume", status_code=202)
async def resume_run(
    run_id: RunId, request: Request, response: Response, house: InHouse, ask: ResumeAsk | None = None
) -> RunView:
    """Let a run that ended `partial` or `failed` go on from what stands: nothing recorded is asked or drawn again.

    Its `budget.max_seconds` counts anew; drawings made count on, so a spent `max_draws` needs a higher one in the body.
    """
    await house.runs.resume(run_id, ask.budget if ask else None)
    view = RunView.of(await house.journal.run(run_id), house.base_url(request))
    response.headers["Location"] = view.links.self
    return view


def _stream(house: House, run_id: str, after: int, headers: dict[str, str]) -> StreamingResponse:
    quiet = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # no proxy may hold events back
    events = as_sse(house.journal.follow(run_id, after=after))
    return StreamingResponse(events, media_type=http.EVENT_STREAM, headers=headers | quiet)
