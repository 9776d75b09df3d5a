"""Routes that show what is behind a document: the drawing under way, and where the time went.

Deliberately not here: the documents and their pictures (`api`), and what the trace says (`trace`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from interleavethinker.document import fold
from interleavethinker.errors import NotFound
from services.orchestrator.answers import InHouse, RunId, problems
from services.orchestrator.drift import drifts
from services.orchestrator.metrics import PREVIEWS
from services.orchestrator.trace import Trace, trace
from services.strict import StrictRoute

PREVIEW_TYPE = "image/jpeg"
router = APIRouter(tags=["documents"], route_class=StrictRoute)
Number = Annotated[int, Path(ge=1, le=1_000_000)]


@router.get("/interleave/{run_id}/trace", responses=problems(404, 422))
async def read_trace(run_id: RunId, house: InHouse) -> Trace:
    """Where the run's time went, every raw answer of its models, all settings that it takes to make it again, and how
    far its pictures have drifted."""
    recorded = await house.journal.events(run_id)
    return trace(recorded).model_copy(update={"drift": await drifts(fold(recorded), house.blobs)})


@router.get(
    "/interleave/{run_id}/steps/{step}/attempts/{number}/preview",
    response_class=Response,
    responses={200: {"description": "The preview.", "content": {PREVIEW_TYPE: {}}}, **problems(404, 422)},
)
async def read_preview(
    run_id: RunId,
    step: Number,
    number: Number,
    house: InHouse,
    seen: Annotated[int, Query(ge=0, lt=2**31, description="how many there were; makes another URL of each")] = 0,
) -> Response:
    """The latest small preview of the attempt that is being drawn. Only while it is drawn, and a moment longer."""
    await house.journal.run(run_id)
    showing = house.board.of(run_id)
    data = None
    if showing and (showing.step, showing.number) == (step, number) and showing.previews:
        name = (await house.journal.document(run_id)).request.generator
        previews = house.runs.generators.showing(name)
        data = await previews.preview(showing.job_id) if previews else None
    if data is None:
        raise NotFound(f"run {run_id} shows no preview of step {step}, attempt {number}: it is not being drawn now")
    PREVIEWS.inc()
    headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=PREVIEW_TYPE, headers=headers)
