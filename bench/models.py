"""Stand-ins for the models, and for nothing else: a chat server that plans and judges, and an image backend.

They answer at once what is always the same, slowed down to the latencies of a model so that a fault can fall into every
phase. `python -m bench.models PORT` serves the chat API; `bench.models` is the image backend's name in the settings.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from PIL import Image

from interleavethinker.codec import CriticCodec, PlannerCodec, load_pack
from interleavethinker.types import ImageJob, Outcome, Plan, Step, Verdict
from services.generator_service.backends.base import Loaded, OnStep
from services.generator_service.settings import GeneratorSettings

PROMPTS = ("a first hill", "a second ball", "a third hat")
REDRAWN = "a second ball"
"""The critic refuses this one once."""
REFINED = "a second round ball"
PACE = float(os.environ.get("BENCH_PACE", "1"))
"""All latencies are multiplied by it."""
PLAN_SECONDS, JUDGE_SECONDS, STEP_SECONDS, DECODE_SECONDS = 1.2 * PACE, 0.5 * PACE, 0.12 * PACE, 0.4 * PACE
DENOISE_STEPS = 4


def app() -> FastAPI:
    """OpenAI's chat API as far as our chat client uses it."""
    served = FastAPI()

    @served.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": name, "object": "model"} for name in ("planner", "critic")]}

    @served.post("/v1/chat/completions")
    async def complete(request: Request) -> StreamingResponse:
        body = await request.json()
        if body["model"] == "planner":
            return StreamingResponse(_said(_plan(), PLAN_SECONDS), media_type="text/event-stream")
        text = json.dumps(body["messages"])
        return StreamingResponse(_said(_verdict(text), JUDGE_SECONDS), media_type="text/event-stream")

    return served


def _plan() -> str:
    steps = tuple(Step(index=n, name=f"step {n}", instruction=p, prompt=p) for n, p in enumerate(PROMPTS, 1))
    return PlannerCodec(load_pack("compact")).write(Plan(steps=steps, reasoning="first, second, third"))


def _verdict(asked: str) -> str:
    codec = CriticCodec(load_pack("compact"))
    if REDRAWN in asked and REFINED not in asked:
        refused = Verdict(outcome=Outcome.REVISE, refined_prompt=REFINED, reasoning="not round")
        return codec.write(refused, REDRAWN)
    return codec.write(Verdict(outcome=Outcome.ACCEPT, reasoning="as wished"), REFINED)


async def _said(text: str, seconds: float) -> AsyncIterator[str]:
    pieces = [text[at : at + 8] for at in range(0, len(text), 8)]
    for piece in pieces:
        await asyncio.sleep(seconds / len(pieces))
        yield _chunk({"role": "assistant", "content": piece}, None)
    yield _chunk({}, "stop")
    yield "data: [DONE]\n\n"


def _chunk(delta: dict[str, str], finish: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


class Squares:
    """An image backend: each job its colour, in steps that take their time."""

    name = "squares"

    def setup(self) -> Loaded:
        return Loaded(model="squares@1", device="cpu", dtype="float32")

    def draw(self, job: ImageJob, references: Sequence[Image.Image], on_step: OnStep) -> Image.Image:
        for step in range(1, DENOISE_STEPS + 1):
            time.sleep(STEP_SECONDS)
            on_step(step, DENOISE_STEPS)
        time.sleep(DECODE_SECONDS)
        red, green, blue = hashlib.sha256(job.id.encode()).digest()[:3]
        return Image.new("RGB", (64, 64), (red, green, blue))


def open_backend(settings: GeneratorSettings) -> Squares:
    return Squares()


if __name__ == "__main__":
    uvicorn.run(app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
