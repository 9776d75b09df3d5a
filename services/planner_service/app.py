"""The planner over HTTP: one route, as a stream of steps or as one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Header
from fastapi.responses import Response, StreamingResponse

from interleavethinker import http
from interleavethinker.blobs import open_blobs
from interleavethinker.chat import open_chat
from interleavethinker.clients.planner import PATH, PlanAnswer, PlanRequest
from interleavethinker.codec import PlannerCodec, load_pack
from interleavethinker.errors import BadRequest, InterleaveError, Malformed, NotFound, Unavailable
from interleavethinker.ports import Planning
from interleavethinker.settings import BlobSettings, load_section
from interleavethinker.telemetry import SERVING
from interleavethinker.types import Step
from services.anatomy import service_app
from services.planner_service.service import PlannerService
from services.planner_service.settings import PlannerSettings

_STEP = {
    "index": 1, "name": "Roll the snowballs", "instruction": "Roll two large balls of snow.",
    "prompt": "two stacked snowballs in the middle of a snowy meadow", "auxiliary_text": None,
}  # fmt: skip
_PLAN = {"plan": {"steps": [_STEP], "reasoning": "A snowman is built from the ground up."}, "raw": ["..."]}
_ASKED = {"brief": {"prompt": "How do I build a snowman?", "images": []}, "seed": 0, "max_steps": 8}
_STREAM = b"".join((http.sse("step", _STEP), http.sse("plan", _PLAN))).decode()


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The plan. As `text/event-stream`: `step` events as steps close, then `plan` (or `problem`).",
        "content": {"application/json": {"example": _PLAN}, http.EVENT_STREAM: {"example": _STREAM}},
    },
    **{
        error.status: {"description": error.detail, "content": {http.PROBLEM_JSON: {"example": http.problem(error)}}}
        for error in (
            NotFound("there is no blob " + "0" * 64),
            BadRequest("body.brief.prompt: String should have at least 1 character"),
            Malformed("missing_answer", "no answer of the model could be read; `raws` holds them all", "..."),
            Unavailable("http://vllm:8000/v1 does not answer or broke off: is it running?"),
        )
    },
}


def planner_app(service: PlannerService) -> FastAPI:
    """The app around a service. Closes the service when it stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = service_app(
        "planner", ready=service.ready, lifespan=lifespan, title="InterleaveThinker planner", description=__doc__ or ""
    )

    @app.post(PATH, response_model=PlanAnswer, responses=_RESPONSES, openapi_extra=_example(_ASKED))
    async def plan(asked: PlanRequest, accept: str = Header(default="application/json")) -> Any:
        """Plan a brief: steps as server-sent events while they are written, or the whole plan at once, by `Accept`.

        Nothing is sent before the first step is known, so an error until then has its own status.
        """
        found = service.plan(asked.brief, seed=asked.seed, max_steps=asked.max_steps)
        if http.EVENT_STREAM in accept:
            return await _streamed(found)
        async with aclosing(found):
            async for each in found:
                if isinstance(each, Planning):
                    return PlanAnswer(plan=each.plan, raw=each.raw, model=each.model, pack=each.pack)
        raise InterleaveError("the planner ended without a plan")

    return app


def build(settings: PlannerSettings) -> FastAPI:
    """The app for these settings: opens the model, the pack and the blobs."""
    pack = load_pack(settings.pack)
    SERVING.labels("planner").info(
        {"model": settings.model, "backend": settings.backend, "device": settings.device, "pack": pack.digest}
    )
    blobs = open_blobs(load_section("blobs", BlobSettings))
    return planner_app(PlannerService(open_chat(settings), PlannerCodec(pack), blobs, settings))


async def _streamed(found: Any) -> Response:
    first = await anext(found)

    async def events() -> AsyncIterator[bytes]:
        async with aclosing(found):
            try:
                yield _event(first)
                async for each in found:
                    yield _event(each)
            except InterleaveError as error:
                yield http.sse("problem", http.problem(error))

    return StreamingResponse(events(), media_type=http.EVENT_STREAM, headers={"Cache-Control": "no-store"})


def _event(each: Step | Planning) -> bytes:
    if isinstance(each, Step):
        return http.sse("step", each)
    return http.sse("plan", PlanAnswer(plan=each.plan, raw=each.raw, model=each.model, pack=each.pack))


def _example(body: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"example": body}}}}
