"""A server of Gemini's generateContent that really draws. It refuses what Google refuses, in its shapes, and plays the
tricks that it plays."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from PIL import Image

from tests.servers.painting import Painting, encoded, hang
from tests.servers.serve import served

SHAPES = {"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
CONFIG = {"responseModalities", "seed", "imageConfig", "temperature", "candidateCount"}
SIDE = 96
LONG = "very slowly"
"""Words in a prompt by which the drawing takes seconds."""


class GeminiServer(Painting):
    """`key`: what `x-goog-api-key` must be."""

    def __init__(self, *, key: str | None = None, model: str = "gemini-test-image") -> None:
        super().__init__(key)
        self.model = model

    @contextmanager
    def serving(self) -> Iterator[GeminiServer]:
        with served(self._app()) as url:
            self.url = f"{url}/v1beta"
            yield self

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1beta/models/{model}")
        async def model(model: str, request: Request) -> Response:
            if refusal := self._unknown_caller(request):
                return refusal
            if model != self.model:
                return error(404, f"models/{model} is not found for API version v1beta", "NOT_FOUND")
            return JSONResponse({"name": f"models/{model}", "supportedGenerationMethods": ["generateContent"]})

        @app.post("/v1beta/models/{model}:generateContent")
        async def generate(model: str, request: Request) -> Response:
            assert "key" not in request.query_params, "a key in a URL is a key in logs"
            body = await request.json()
            self.asked.append(body)
            self.headers.append(dict(request.headers))
            if refusal := self._unknown_caller(request) or self._refusal(model, body):
                return refusal
            trick = self.tricks.pop(0) if self.tricks else None
            if trick == "hang":
                return await hang(self, request)
            if isinstance(trick, Response):
                return trick
            return JSONResponse(trick if isinstance(trick, dict) else await self._answer(request, body))

        return app

    async def _answer(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        parts = body["contents"][0]["parts"]
        pictures = [base64.b64decode(part["inline_data"]["data"]) for part in parts if "inline_data" in part]
        prompt = " ".join(part["text"] for part in parts if "text" in part)
        config = body["generationConfig"]
        across, down = map(int, config.get("imageConfig", {}).get("aspectRatio", "1:1").split(":"))
        size = (SIDE, max(16, SIDE * down // across))
        steps = 150 if LONG in prompt else 1
        drawn = await self.paint(request, prompt, size, config.get("seed"), pictures, steps)
        return answer(
            [
                {"text": "I begin with the outline.", "thought": True},
                {"inlineData": {"mimeType": "image/png", "data": "bm8="}, "thought": True},
                {"text": "Here is your picture."},
                {"inlineData": {"mimeType": "image/jpeg", "data": encoded(drawn, "JPEG")}},
            ],
            model=self.model,
        )

    def _unknown_caller(self, request: Request) -> Response | None:
        said = request.headers.get("x-goog-api-key")
        if self.key and said != self.key:
            return error(400, f"API key not valid: {said}", "INVALID_ARGUMENT")
        return None

    def _refusal(self, model: str, body: dict[str, Any]) -> Response | None:
        if model != self.model:
            return error(404, f"models/{model} is not found for API version v1beta", "NOT_FOUND")
        config = body.get("generationConfig", {})
        if unknown := sorted((set(body) - {"contents", "generationConfig", "safetySettings"}) | (set(config) - CONFIG)):
            return error(400, f'Invalid JSON payload received. Unknown name "{unknown[0]}"', "INVALID_ARGUMENT")
        if config.get("imageConfig", {}).get("aspectRatio", "1:1") not in SHAPES:
            return error(400, "aspect_ratio is not supported", "INVALID_ARGUMENT")
        if "IMAGE" not in config.get("responseModalities", []):
            return error(400, "Model does not support the requested response modalities", "INVALID_ARGUMENT")
        if not 0 <= config.get("seed", 0) < 2**31:
            return error(400, "Invalid value at 'generation_config.seed' (TYPE_INT32)", "INVALID_ARGUMENT")
        for part in body["contents"][0]["parts"]:
            if picture := part.get("inline_data"):
                Image.open(io.BytesIO(base64.b64decode(picture["data"], validate=True))).verify()
        return None


def answer(parts: list[dict[str, Any]], *, reason: str = "STOP", model: str = "gemini-test-image") -> dict[str, Any]:
    """A 200 with these parts."""
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 1290, "thoughtsTokenCount": 10},
        "modelVersion": f"{model}-002",
        "responseId": "resp-1",
    }


def error(status: int, message: str, code: str, *details: dict[str, Any]) -> Response:
    """An error as Google writes it."""
    return JSONResponse({"error": {"code": status, "message": message, "status": code, "details": details}}, status)


def slow_down(delay: str, quota: str = "GenerateRequestsPerMinutePerProject") -> Response:
    """A 429 with its two details."""
    return error(
        429, "You exceeded your current quota.", "RESOURCE_EXHAUSTED",
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    )  # fmt: skip
