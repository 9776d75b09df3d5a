"""The routes of /v1/responses and /v1/models: a translation, over the same runs, journal, keys and limits as all else.

Deliberately not here: what is sent (`asks`) and what of it is done (`briefs`), what is answered (`telling`, `events`),
and the shape of errors (`errors`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic_core import to_json

from interleavethinker import http
from interleavethinker.errors import InterleaveError, NotFound
from services.orchestrator.access import own
from services.orchestrator.answers import REPLAYED, House, IdempotencyKey, InHouse, Owner, key_of
from services.orchestrator.board import Showing
from services.orchestrator.doors.responses.asks import ResponseAsk
from services.orchestrator.doors.responses.brief_shown import shown
from services.orchestrator.doors.responses.briefs import brief
from services.orchestrator.doors.responses.errors import errors
from services.orchestrator.doors.responses.events import Telling
from services.orchestrator.doors.responses.forgetting import forget, forget_answered
from services.orchestrator.doors.responses.ids import RESPONSE_ID, response_id, run_id
from services.orchestrator.doors.responses.models import ModelList, Models, ModelView
from services.orchestrator.doors.responses.moments import moments
from services.orchestrator.doors.responses.noted import Noted
from services.orchestrator.doors.responses.pictures import Pictures
from services.orchestrator.doors.responses.quiet import kept_alive
from services.orchestrator.doors.responses.shapes import Deleted, InputItems, ResponseView
from services.orchestrator.doors.responses.telling import response
from services.orchestrator.journal import Begun
from services.strict import StrictRoute

router = APIRouter(tags=["OpenAI"], route_class=StrictRoute)
ResponseId = Annotated[
    str,
    Path(pattern=RESPONSE_ID, description="as POST /v1/responses gave it", examples=["resp_0123456789abcdef01234567"]),
]
EVENTS: dict[str, Any] = {
    http.EVENT_STREAM: {
        "schema": {
            "type": "object",
            "title": "Server-sent event",
            "required": ["event", "data"],
            "properties": {
                "event": {"type": "string", "description": "the `type` of the event in `data`"},
                "data": {"type": "string", "contentMediaType": "application/json"},
            },
        }
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The response as it is now; the whole one, if it was made in time. `stream`: its events.",
        "model": ResponseView,
        "content": EVENTS,
    }
}


async def _own_response(request: Request) -> None:
    """The response in the path, if there is one, is the caller's."""
    if named := request.path_params.get("response_id"):
        await own(request, run_id(named), f"there is no response {named[:40]!r}")


A_DAY = 86_400.0
OWN = Depends(_own_response)


@router.post("/v1/responses", response_model=ResponseView, responses=ANSWER | errors(404, 409, 429))
async def create_response(
    ask: ResponseAsk, request: Request, house: InHouse, owner: Owner, idempotency_key: IdempotencyKey = None
) -> Response:
    """Make an illustrated document; its texts are `message` items, its pictures `image_generation_call` items.

    Answers when it is made, or while it is made (`stream`), or at once (`background`). If the caller leaves, the work
    goes on, and the response can be asked for by its id.
    """
    generator = _models(house).generator(ask.model)
    key = key_of(house, idempotency_key, owner, "responses", ask)
    begun = await house.earlier(key)
    if begun is None:
        hooks, asked = house.hooks(None), await brief(ask, house, owner, generator)
        door = Noted.of(ask).model_dump(mode="json")
        begun = await house.runs.begin(asked, owner=owner, hooks=hooks, key=key, door=door)
    headers = _headers(begun)
    if ask.stream:
        return await _stream(begun.run_id, request, house, headers, forgotten=ask.store is False)
    if not ask.background:
        # What is not stored cannot be asked for later.
        await house.runs.wait(begun.run_id, A_DAY if ask.store is False else house.settings.wait_seconds)
    view = await _view(begun.run_id, request, house)
    if ask.store is False:
        await forget_answered(house, begun.run_id)
    return JSONResponse(view.model_dump(mode="json"), headers=headers)


@router.get("/v1/responses/{response_id}", response_model=ResponseView, responses=ANSWER | errors(404))
async def read_response(
    response_id: ResponseId,
    request: Request,
    house: InHouse,
    stream: Annotated[bool, Query(description="its events, from the first one on, as they happen")] = False,
    starting_after: Annotated[
        int, Query(ge=-1, lt=2**31, description="with `stream`: only events with a higher `sequence_number`")
    ] = -1,
) -> Response:
    """The response as it is now; or its events, from where the caller left off."""
    if stream:
        return await _stream(run_id(response_id), request, house, {}, after=starting_after)
    view = await _view(run_id(response_id), request, house)
    return JSONResponse(view.model_dump(mode="json"))


@router.get("/v1/responses/{response_id}/input_items", responses=errors(404))
async def list_input_items(response_id: ResponseId, house: InHouse) -> InputItems:
    """What the planner was asked, as one message."""
    return await shown(await house.journal.document(run_id(response_id)), house.blobs)


@router.post("/v1/responses/{response_id}/cancel", response_model=ResponseView, responses=errors(404, 429))
async def cancel_response(response_id: ResponseId, request: Request, house: InHouse) -> Response:
    """End it; what it has finished stays. One that is at its end already is given as it is."""
    if await house.runs.cancel(run_id(response_id)) == "unknown":
        raise NotFound(f"there is no response {response_id!r}")
    return JSONResponse((await _view(run_id(response_id), request, house)).model_dump(mode="json"))


@router.delete("/v1/responses/{response_id}", responses=errors(404, 409))
async def delete_response(response_id: ResponseId, house: InHouse) -> Deleted:
    """Cancel it if it is under way, and delete all that is known of it. A 409 while webhooks are told of it."""
    await forget(house, run_id(response_id))
    return Deleted(id=response_id)


@router.get("/v1/models", responses=errors())
async def list_models(house: InHouse) -> ModelList:
    """What can be named as `model`."""
    return ModelList(data=_models(house).all())


@router.get("/v1/models/{model}", responses=errors(404))
async def read_model(model: Annotated[str, Path(max_length=200)], house: InHouse) -> ModelView:
    """The model of that name."""
    return _models(house).one(model)


def _models(house: House) -> Models:
    return Models(house.runs.generators.names[1:], house.since)


def _headers(begun: Begun) -> dict[str, str]:
    replayed = {REPLAYED: "true"} if begun.replayed else {}
    return {http.RUN_ID: begun.run_id, "Location": f"/v1/responses/{response_id(begun.run_id)}"} | replayed


async def _view(run_id: str, request: Request, house: House) -> ResponseView:
    recorded = await house.journal.events(run_id)
    pictures = Pictures(house.blobs, Noted.read(recorded[0]).tool)
    return await response(recorded, pictures, house.base_url(request))


async def _stream(
    run_id: str, request: Request, house: House, headers: dict[str, str], *, after: int = -1, forgotten: bool = False
) -> StreamingResponse:
    first = (await house.journal.events(run_id))[0]
    telling = Telling(first, Pictures(house.blobs, Noted.read(first).tool), house.base_url(request))
    chunks = kept_alive(_chunks(run_id, house, telling, after, forgotten))
    quiet = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(chunks, media_type=http.EVENT_STREAM, headers=headers | quiet)


async def _chunks(run_id: str, house: House, telling: Telling, after: int, forgotten: bool) -> AsyncIterator[bytes]:
    number = -1
    previews = house.runs.generators.showing((await house.journal.run(run_id)).request.generator)
    try:
        async with aclosing(moments(house.journal, house.board, run_id)) as seen:
            async for moment in seen:
                if isinstance(moment, Showing):
                    said = await telling.show(moment, previews)
                else:
                    said = await telling.tell(moment)
                if telling.over and forgotten:
                    await forget_answered(house, run_id)
                for told in said:
                    number = cast(int, told["sequence_number"])
                    if number > after:
                        yield http.sse(str(told["type"]), to_json(told).decode())
                if telling.over:
                    return
    except InterleaveError as error:  # the answer has begun: its last event is all that can still say so
        lost = {
            "type": "error",
            "code": error.code,
            "message": error.detail,
            "param": None,
            "sequence_number": number + 1,
        }
        yield http.sse("error", to_json(lost).decode())
