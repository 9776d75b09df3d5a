"""The routes by which a caller goes on with a run: redraw, keep, branch, continue, and the word on a waiting plan.

Deliberately not here: the shapes (`wishes`), what each wish means (`edits`), and how a run is first asked for (`api`).
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from interleavethinker.document import fold
from interleavethinker.events import PlanApproved
from services.orchestrator.answers import (
    Accept,
    IdempotencyKey,
    InHouse,
    Owner,
    Prefer,
    RunId,
    StepPath,
    answer,
    key_of,
    problems,
    taken_up,
)
from services.orchestrator.arranging import pictures
from services.orchestrator.edits import (
    branch,
    continued,
    edit_plan,
    first_references,
    has_budget,
    in_style,
    keep,
    redraw,
)
from services.orchestrator.intake import hold
from services.orchestrator.rounds import draws_of
from services.orchestrator.views import DeliveryList, DeliveryView, DocumentView
from services.orchestrator.wishes import Branch, Continue, Keep, PlanEdit, Redraw
from services.strict import StrictRoute

router = APIRouter(tags=["documents"], route_class=StrictRoute)


@router.post("/interleave/{run_id}/steps/{step}/redraw", **taken_up("The run goes on; follow the links.", 404))
async def redraw_step(
    run_id: RunId, step: StepPath, wish: Redraw, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None, prefer: Prefer = "", accept: Accept = "",
) -> Response:  # fmt: skip
    """Draw a step of a finished run again. Earlier attempts remain, and the picture that stands does until the new one
    is settled; steps after it are marked `stale`, or redrawn too. A 409 while the run is under way."""
    recorded = await house.journal.events(run_id)
    key = key_of(house, idempotency_key, owner, f"redraw {run_id} {step}", wish)
    begun = await house.earlier(key)
    if begun is None:
        await house.guards.admit(wish.prompt)
        document = fold(recorded)
        wished = {name: getattr(wish, name) for name in Redraw.model_fields}
        wished |= {"prompt": wish.prompt and in_style(document, wish.prompt)}
        wished |= {"references": await pictures(house, wish.references)}
        wishes = redraw(document, step, **wished)
        has_budget(wish.budget or document.request.budget, draws_of([each.event for each in recorded]))
        begun = await house.runs.wish(run_id, wishes, key=key)
    return await answer(house, begun, request, prefer, accept, after=recorded[-1].seq)


@router.post("/interleave/{run_id}/steps/{step}/keep", responses=problems(404, 409, 422))
async def keep_attempt(
    run_id: RunId, step: StepPath, wish: Keep, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None,
) -> DocumentView:  # fmt: skip
    """Let another attempt at a step of a finished run stand. Steps drawn from the one before become `stale`."""
    document = await house.journal.document(run_id)
    key = key_of(house, idempotency_key, owner, f"keep {run_id} {step}", wish)
    if not await house.earlier(key):
        await house.runs.wish(run_id, [keep(document, step, wish.attempt)], key=key)
    return await house.view(request, run_id)


@router.post("/interleave/{run_id}/branch", **taken_up("A new run is taken up; follow the links.", 404))
async def branch_run(
    run_id: RunId, wish: Branch, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None, prefer: Prefer = "", accept: Accept = "",
) -> Response:  # fmt: skip
    """A new run that shares this one's recorded steps before `from_step` and goes its own way from there."""
    recorded = await house.journal.events(run_id)
    key = key_of(house, idempotency_key, owner, f"branch {run_id}", wish)
    begun = await house.earlier(key)
    if begun is None:
        house.runs.generators.check(wish.generator)
        steps = None if wish.steps is None else [each.step for each in wish.steps]
        await house.guards.admit(*(step.prompt for step in steps or ()))
        document, hooks = fold(recorded), house.hooks(wish.webhook)
        events = branch(document, recorded, wish.from_step, steps)
        # The references that were pinned first; those pinned since are among the shared events.
        asked = wish.of(document.request.model_copy(update={"references": first_references(recorded)}))
        await hold(house.blobs, asked, *events)
        begun = await house.runs.begin(asked, owner=owner, events=events, hooks=hooks, key=key)
    return await answer(house, begun, request, prefer, accept)


@router.post("/interleave/{run_id}/continue", **taken_up("A new run is taken up; follow the links.", 404))
async def continue_document(
    run_id: RunId, wish: Continue, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None, prefer: Prefer = "", accept: Accept = "",
) -> Response:  # fmt: skip
    """A new run that goes on from this document: all its pictures are the input images, and its texts stand with them
    in the new prompt, so the planner goes on with the step numbers."""
    document = await house.journal.document(run_id)
    key = key_of(house, idempotency_key, owner, f"continue {run_id}", wish)
    begun = await house.earlier(key)
    if begun is None:
        house.runs.generators.check(wish.generator)
        await house.guards.admit(wish.prompt)
        asked, hooks = wish.of(continued(document, wish.prompt)), house.hooks(wish.webhook)
        await hold(house.blobs, asked)
        begun = await house.runs.begin(asked, owner=owner, hooks=hooks, key=key)
    return await answer(house, begun, request, prefer, accept)


@router.put("/interleave/{run_id}/plan", responses=problems(404, 409, 422))
async def edit_waiting_plan(run_id: RunId, wish: PlanEdit, request: Request, house: InHouse) -> DocumentView:
    """Put other steps in the place of a waiting run's plan (`review_plan`). A 409 when it does not wait."""
    steps = [each.step for each in wish.steps]
    await house.guards.admit(*(step.prompt for step in steps))
    await house.runs.wish(run_id, [edit_plan(await house.journal.document(run_id), steps)])
    return await house.view(request, run_id)


@router.post("/interleave/{run_id}/plan/approve", **taken_up("The run goes on; follow the links.", 404))
async def approve_plan(
    run_id: RunId, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None, prefer: Prefer = "", accept: Accept = "",
) -> Response:  # fmt: skip
    """Let a waiting run go on with its plan as it stands now. A 409 when it does not wait."""
    after = len(await house.journal.events(run_id))
    key = key_of(house, idempotency_key, owner, f"approve {run_id}", PlanApproved())
    begun = await house.runs.wish(run_id, [PlanApproved()], key=key)
    return await answer(house, begun, request, prefer, accept, after=after)


@router.get("/interleave/{run_id}/deliveries", responses=problems(404, 422))
async def list_deliveries(run_id: RunId, house: InHouse) -> DeliveryList:
    """What webhooks were told, or are still to be told, of this run, and why one was given up."""
    await house.journal.run(run_id)
    return DeliveryList(deliveries=[DeliveryView.of(each) for each in await house.journal.outbox.of_run(run_id)])
