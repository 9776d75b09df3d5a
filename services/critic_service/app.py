"""The critic over HTTP: one route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, Request

from interleavethinker import http
from interleavethinker.blobs import open_blobs
from interleavethinker.chat import open_chat
from interleavethinker.clients.critic import PATH, VerdictAnswer, VerdictRequest
from interleavethinker.codec import CriticCodec, load_pack
from interleavethinker.errors import BadRequest, Canceled, NotFound, Unavailable
from interleavethinker.settings import BlobSettings, load_section
from interleavethinker.telemetry import SERVING
from services.anatomy import service_app
from services.critic_service.service import CriticService
from services.critic_service.settings import CriticSettings

T = TypeVar("T")

_IMAGE = {"digest": "0" * 64, "media_type": "image/png", "width": 128, "height": 128}
_PROMPT = "put a red hat on the snowman"
_ASKED = {"critique": {"prompt": _PROMPT, "last_prompt": _PROMPT, "before": None, "after": _IMAGE}}
_VERDICT = {
    "outcome": "revise", "refined_prompt": "put a red hat on the head of the snowman, nothing else changed",
    "reasoning": "The hat lies beside the snowman.", "confidence": 0.97,
}  # fmt: skip
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The verdict: accept, revise, or abstain where no answer of the model could be read",
        "content": {"application/json": {"example": {"verdict": _VERDICT, "raw": ["..."]}}},
    },
    **{
        error.status: {"description": error.detail, "content": {http.PROBLEM_JSON: {"example": http.problem(error)}}}
        for error in (
            NotFound("there is no blob " + "0" * 64),
            BadRequest("body.critique.after: Field required"),
            Unavailable("http://vllm:8000/v1 does not answer or broke off: is it running?"),
        )
    },
}


def critic_app(service: CriticService) -> FastAPI:
    """The app around a service. Closes the service when it stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = service_app(
        "critic", ready=service.ready, lifespan=lifespan, title="InterleaveThinker critic", description=__doc__ or ""
    )

    @app.post(
        PATH,
        responses=_RESPONSES,
        openapi_extra={"requestBody": {"content": {"application/json": {"example": _ASKED}}}},
    )
    async def verdict(asked: VerdictRequest, request: Request) -> VerdictAnswer:
        """Judge one attempt. A caller who hangs up stops the model."""
        found = await _while_listening(request, service.judge(asked.critique))
        return VerdictAnswer(verdict=found.verdict, raw=found.raw, model=found.model, pack=found.pack)

    return app


def build(settings: CriticSettings) -> FastAPI:
    """The app for these settings: opens the model, the pack and the blobs."""
    pack = load_pack(settings.pack)
    SERVING.labels("critic").info(
        {"model": settings.model, "backend": settings.backend, "device": settings.device, "pack": pack.digest}
    )
    blobs = open_blobs(load_section("blobs", BlobSettings))
    return critic_app(CriticService(open_chat(settings), CriticCodec(pack), blobs, settings))


async def _while_listening(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; the work is cancelled when the caller hangs up first."""
    working, hung_up = asyncio.create_task(work), asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait((working, hung_up), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return await working
        raise Canceled("the caller hung up")
    finally:
        working.cancel()
        hung_up.cancel()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
