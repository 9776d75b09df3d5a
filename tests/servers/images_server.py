"""A server of OpenAI's Images API that really draws. It refuses what the real ones refuse, in their words, and plays
the tricks that they play.

`flavour`: `openai` takes OpenAI's fields, the sizes of its image models, and answers base64; `vllm` (vLLM-Omni, SGLang)
takes any size, a seed and diffusion parameters, and `response_format`.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from PIL import Image

from tests.servers.painting import Painting, broken_off, encoded, form_of, hang
from tests.servers.serve import served

OPENAI_SIZES = {"1024x1024", "1536x1024", "1024x1536", "auto"}
OWN = {"model", "prompt", "n", "size", "quality", "background", "output_format", "moderation", "user"}
DIFFUSION = {"seed", "num_inference_steps", "guidance_scale", "negative_prompt", "response_format"}


class ImagesServer(Painting):
    """`links`: None, or where pictures are to be fetched from: `path` (as SGLang), `url`, or any URL."""

    def __init__(
        self, *, flavour: str = "vllm", key: str | None = None, model: str = "test-image-1", links: str | None = None
    ) -> None:
        super().__init__(key)
        self.flavour, self.model, self.links = flavour, model, links
        self.fetched: list[dict[str, str]] = []
        self._kept: dict[str, bytes] = {}

    @contextmanager
    def serving(self) -> Iterator[ImagesServer]:
        with served(self._app()) as url:
            self.url = f"{url}/v1"
            yield self

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/models")
        async def models(request: Request) -> Response:
            if refusal := self._unknown_caller(request):
                return refusal
            return JSONResponse({"object": "list", "data": [{"id": self.model, "object": "model"}]})

        @app.post("/v1/images/generations")
        async def generations(request: Request) -> Response:
            return await self._answered(request, await request.json(), [])

        @app.post("/v1/images/edits")
        async def edits(request: Request) -> Response:
            parts = form_of(request.headers["content-type"], await request.body())
            fields = {name: content.decode() for name, filename, _, content in parts if filename is None}
            files = [part for part in parts if part[1] is not None]
            if not files:
                return error(400, "Missing required parameter: 'image'.", param="image")
            names = {name for name, *_ in files}
            if names != ({"image"} if len(files) == 1 else {"image[]"}):
                return error(400, "Duplicate parameter: 'image'. Use 'image[]' for several.", param="image")
            if any(kind not in ("image/png", "image/jpeg", "image/webp") for _, _, kind, _ in files):
                return error(400, "Invalid file: unsupported mimetype", param="image")
            for *_, content in files:
                Image.open(io.BytesIO(content)).verify()
            return await self._answered(request, fields, [content for *_, content in files])

        @app.get("/v1/images/{name}/content")
        async def content(name: str, request: Request) -> Response:
            self.fetched.append(dict(request.headers))
            return Response(self._kept[name], media_type="image/png")

        return app

    async def _answered(self, request: Request, body: dict[str, Any], pictures: list[bytes]) -> Response:
        self.asked.append(body | {"pictures": pictures})
        self.paths.append(request.url.path)
        self.headers.append(dict(request.headers))
        if refusal := self._unknown_caller(request) or self._refusal(body, pictures):
            return refusal
        trick = self.tricks.pop(0) if self.tricks else None
        if trick == "hang":
            return await hang(self, request)
        if trick == "break":
            return broken_off()
        if isinstance(trick, Response):
            return trick
        size = body.get("size", "auto")
        width, height = (64, 64) if size == "auto" else map(int, size.split("x"))
        steps = int(body.get("num_inference_steps", 1))
        picture = await self.paint(request, body["prompt"], (width, height), body.get("seed"), pictures, steps)
        return JSONResponse(
            {
                "id": f"img-{self.drawn}",
                "created": 1767225600,
                "data": [trick if isinstance(trick, dict) else self._given(encoded(picture))],
                "usage": {"input_tokens": 50, "output_tokens": 1000, "total_tokens": 1050},
            },
            headers={"x-request-id": f"req_{self.drawn}"},
        )

    def _given(self, picture: str) -> dict[str, str]:
        if self.links is None:
            return {"b64_json": picture}
        name = f"picture-{self.drawn}"
        self._kept[name] = base64.b64decode(picture)
        path = f"/v1/images/{name}/content"
        whole = f"{self.url.removesuffix('/v1')}{path}"
        return {"url": {"path": path, "url": whole}.get(self.links, self.links)}

    def _unknown_caller(self, request: Request) -> Response | None:
        said = request.headers.get("authorization", "")
        if self.key and said != f"Bearer {self.key}":
            return error(401, f"Incorrect API key provided: {said.removeprefix('Bearer ')}.", code="invalid_api_key")
        return None

    def _refusal(self, body: dict[str, Any], pictures: list[bytes]) -> Response | None:
        known = OWN | ({"input_fidelity"} if pictures else set()) | (DIFFUSION if self.flavour == "vllm" else set())
        if unknown := sorted(set(body) - known):
            return error(400, f"Unknown parameter: '{unknown[0]}'.", param=unknown[0], code="unknown_parameter")
        if body.get("model") != self.model:
            return error(404, f"The model '{body.get('model')}' does not exist.", code="model_not_found")
        if not body.get("prompt"):
            return error(400, "Missing required parameter: 'prompt'.", param="prompt")
        if self.flavour == "openai" and body.get("size", "auto") not in OPENAI_SIZES:
            return error(400, f"Invalid value: '{body['size']}'.", param="size", code="invalid_value")
        if str(body.get("n", 1)) != "1" or body.get("response_format") not in (None, "b64_json", "url"):
            return error(400, "Invalid value.", code="invalid_value")
        if len(pictures) > 16:
            return error(400, "Invalid 'image': array too long.", code="array_above_max_length")
        return None


def error(
    status: int, message: str, *, param: str | None = None, code: str | None = None, **headers: str
) -> JSONResponse:
    """An error as OpenAI writes it; header names with `_` for `-`."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def odd(body: Any) -> Response:
    """A 200 with just this: bytes as they are, all else as JSON."""
    if isinstance(body, bytes):
        return Response(body, media_type="text/html")
    return Response(json.dumps(body), media_type="application/json")
