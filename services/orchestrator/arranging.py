"""The routes by which a caller changes a finished document: its texts, its order, its steps, its references.

Deliberately not here: the shapes (`reshapes`), what each wish means (`reshaping`), and drawing again (`editing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request, Response

from interleavethinker.document import Document, fold
from interleavethinker.events import Event, Recorded
from interleavethinker.types import ImageRef, Value
from services.orchestrator.answers import (
    Accept,
    House,
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
from services.orchestrator.edits import has_budget
from services.orchestrator.idempotency import Key
from services.orchestrator.intake import take_images
from services.orchestrator.journal import Begun, Changed
from services.orchestrator.reshapes import NewStep, Order, References, StepTexts
from services.orchestrator.reshaping import arrange, delete, insert, pin, reword
from services.orchestrator.rounds import draws_of
from services.orchestrator.views import DocumentView
from services.strict import StrictRoute

router = APIRouter(tags=["documents"], route_class=StrictRoute)
TRIES = 3
"""A wish that another one came before is made once more of what the run is by then."""


@router.patch("/interleave/{run_id}/steps/{step}", responses=problems(404, 409, 422))
async def edit_step(
    run_id: RunId, step: StepPath, wish: StepTexts, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None,
) -> DocumentView:  # fmt: skip
    """Other texts for a step of a run that has ended, or waits for a word on its plan. Nothing is drawn: where the
    prompt is another one, the picture is `stale` until the step is redrawn. A 409 while the run is under way."""
    key = key_of(house, idempotency_key, owner, f"edit {run_id} {step}", _Given(texts=wish.given))
    await house.guards.admit(wish.prompt)
    await changed(house, run_id, key, lambda document, _: reword(document, step, wish.given))
    return await house.view(request, run_id)


@router.post("/interleave/{run_id}/steps", **taken_up("The step is in; the run goes on where it is drawn.", 404))
async def insert_step(
    run_id: RunId, wish: NewStep, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None, prefer: Prefer = "", accept: Accept = "",
) -> Response:  # fmt: skip
    """A step more in a run that has ended: in words only, or drawn as a redraw is, from the picture before it. Steps
    after it are marked `stale`, or redrawn too. A 409 while the run is under way."""
    after = len(await house.journal.events(run_id))
    key = key_of(house, idempotency_key, owner, f"insert {run_id}", wish)
    begun = await house.earlier(key)
    if begun is None:
        await house.guards.admit(wish.name, wish.instruction, wish.auxiliary_text, wish.prompt)
        references = await pictures(house, wish.references)
        own = {name: getattr(wish, name) for name in ("after", "seed", "max_attempts", "budget", "later")}

        def wishes(document: Document, recorded: Sequence[Recorded]) -> list[Event]:
            if wish.prompt:
                said = [each.event for each in recorded]
                has_budget(wish.budget or document.request.budget, draws_of(said))
            return insert(document, recorded, wish.step, references=references, **own)

        begun = await changed(house, run_id, key, wishes)
    return await answer(house, begun, request, prefer, accept, after=after)


@router.delete("/interleave/{run_id}/steps/{step}", responses=problems(404, 409, 422))
async def delete_step(
    run_id: RunId, step: StepPath, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None,
) -> DocumentView:  # fmt: skip
    """Take a step out of the document of a run that has ended. It stands in `deleted`; the order can put it back."""
    key = key_of(house, idempotency_key, owner, f"delete {run_id} {step}", _Given())
    await changed(house, run_id, key, lambda document, _: delete(document, step))
    return await house.view(request, run_id)


@router.put("/interleave/{run_id}/order", responses=problems(404, 409, 422))
async def order_steps(
    run_id: RunId, wish: Order, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None,
) -> DocumentView:  # fmt: skip
    """The order in which the steps of a run that has ended are shown; deleted steps that are named are put back.
    Pictures that were drawn from another one than the one before them now are `stale`."""
    key = key_of(house, idempotency_key, owner, f"order {run_id}", wish)
    await changed(house, run_id, key, lambda document, _: arrange(document, wish.steps))
    return await house.view(request, run_id)


@router.put("/interleave/{run_id}/references", responses=problems(404, 409, 422))
async def pin_references(
    run_id: RunId, wish: References, request: Request, house: InHouse, owner: Owner,
    idempotency_key: IdempotencyKey = None,
) -> DocumentView:  # fmt: skip
    """Other pinned pictures for every drawing from here on: the document's own, or new ones. Nothing is drawn."""
    key = key_of(house, idempotency_key, owner, f"references {run_id}", wish)
    await house.journal.run(run_id)  # of an unknown run no picture is kept
    pinned = await pictures(house, wish.references) or ()
    await changed(house, run_id, key, lambda document, _: pin(document, pinned))
    return await house.view(request, run_id)


class _Given(Value):
    """What a call asks besides its path, for its key."""

    texts: dict[str, str | None] = {}


async def changed(
    house: House, run_id: str, key: Key | None, wishes: Callable[[Document, Sequence[Recorded]], list[Event]]
) -> Begun:
    """Commit what is wished of the document as it stands; nothing where that would change nothing. Raises NotFound,
    Conflict, and what `wishes` raises."""
    for left in reversed(range(TRIES)):
        if begun := await house.earlier(key):
            return begun
        recorded = await house.journal.events(run_id)
        said = wishes(fold(recorded), recorded)
        if not said:
            return Begun(run_id)
        try:
            return await house.runs.wish(run_id, said, key=key, seen=recorded[-1].seq)
        except Changed:
            if not left:
                raise
    raise AssertionError("the last try raises")


async def pictures(house: House, given: Sequence[str] | None) -> tuple[ImageRef, ...] | None:
    """The caller's references, checked and stored; None where none were given. Raises BadRequest, Denied."""
    if given is None:
        return None
    taken = await take_images({"references": given}, house.blobs, house.settings.images, house.fetch)
    await house.guards.admit_pictures(taken["references"])
    return taken["references"]
