"""A server of OpenAI's chat API on 127.0.0.1, for tests: the wire format is the real one, and any `Chat` thinks for it.

As `vllm` it takes vLLM's own fields too; as `plain` it refuses what OpenAI does not know. What it is asked, and whether
a caller hung up, is kept for the test to read.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from interleavethinker.chat import Chat, Token
from interleavethinker.codec import ImagePart, Message, TextPart
from interleavethinker.errors import BadRequest
from tests.servers.serve import served

KNOWN = {
    "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "seed", "logprobs", "top_logprobs",
    "stream", "stream_options",
}  # fmt: skip
OF_VLLM = {"cache_salt", "continue_final_message", "add_generation_prompt"}


class OpenAIServer:
    """`failures`: statuses to answer with before anything else, one a request. `together`: tokens in one chunk.
    `breaks_after`: tokens before an in-stream error. `refuses_logprobs`: 400 where they are asked for. `habits`:
    `reasoning` as OpenAI's newer models, `google` and `anthropic` as these companies' endpoints. `finish`,
    `refusal`: how answers end. `cached`: the images that it has by their uuid, as vLLM keeps them; what is asked for by
    a uuid that it does not have is refused as there. `error_body`: in place of the body of `failures`."""

    def __init__(self, chat: Chat, *, flavour: str = "vllm", together: int = 1, key: str | None = None) -> None:
        self.chat = chat
        self.flavour = flavour
        self.together = together
        self.key = key
        self.failures: list[int] = []
        self.breaks_after: int | None = None
        self.refuses_logprobs = False
        self.habits: str | None = None
        self.finish = "stop"
        self.refusal: str | None = None
        self.error_body: Any = None
        self.cached: dict[str, dict[str, Any]] = {}
        self.headers: list[dict[str, str]] = []
        self.asked: list[dict[str, Any]] = []
        self.hung_up = threading.Event()
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator[OpenAIServer]:
        with served(self._app()) as url:
            self.url = f"{url}/v1"
            yield self

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/models")
        async def models() -> dict[str, Any]:
            name = f"models/{self.chat.model}" if self.habits == "google" else self.chat.model
            listed = {"id": name, "object": "model", "created": 0, "owned_by": "tests"}
            return {"object": "list", "data": [listed]}

        @app.post("/v1/chat/completions")
        async def completions(request: Request) -> Response:
            body = await request.json()
            self.asked.append(json.loads(json.dumps(body)))  # as it came
            self.headers.append(dict(request.headers))
            if refusal := self._refusal(request, body):
                return refusal
            if missing := self._remember(body):
                return missing
            return StreamingResponse(self._chunks(body), media_type="text/event-stream")

        return app

    def _refusal(self, request: Request, body: dict[str, Any]) -> Response | None:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, "Incorrect API key provided")
        if self.failures:
            status = self.failures.pop(0)
            if self.error_body:
                return JSONResponse(self.error_body, status_code=status, headers={"retry-after-ms": "1"})
            return _error(status, "as the test wants it")
        if self.habits == "reasoning":
            if "max_tokens" in body:
                return _unsupported("max_tokens", "Use 'max_completion_tokens' instead.")
            if body.get("temperature", 1) != 1:
                return _unsupported("temperature", "Only the default (1) value is supported.")
            if body.get("logprobs"):
                return _error(403, "You are not allowed to request logprobs from this model")
        if self.habits == "google" and (odd := {"seed", "logprobs"} & set(body)):
            words = f'Invalid JSON payload received. Unknown name "{min(odd)}": Cannot find field.'
            return JSONResponse([{"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}], 400)
        unknown = set(body) - KNOWN - (OF_VLLM if self.flavour == "vllm" else set())
        if unknown:
            return _error(400, f"Unrecognized request argument supplied: {', '.join(sorted(unknown))}")
        if body["model"] != self.chat.model:
            return _error(404, f"The model `{body['model']}` does not exist.")
        if body.get("continue_final_message") and body.get("add_generation_prompt", True):
            return _error(400, "Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
        if self.refuses_logprobs and body.get("logprobs"):
            return _error(400, "logprobs are not supported by this model")
        return None

    def _remember(self, body: dict[str, Any]) -> Response | None:
        """vLLM's cache of images by uuid: those without pixels are put back, or refused in vLLM's words."""
        parts = [part for each in body["messages"] if isinstance(each["content"], list) for part in each["content"]]
        for index, part in enumerate(part for part in parts if part["type"] == "image_url"):
            if "uuid" in part and self.flavour != "vllm":
                return _error(400, "Unrecognized request argument supplied: uuid")
            if part["image_url"] is not None:
                self.cached |= {part["uuid"]: part["image_url"]} if "uuid" in part else {}
            elif part.get("uuid") not in self.cached:
                return _error(400, f"Cache miss for image at index {index} but data is not provided.")
        for part in parts:
            if part["type"] == "image_url" and part["image_url"] is None:
                part["image_url"] = self.cached[part["uuid"]]
        return None

    async def _chunks(self, body: dict[str, Any]) -> AsyncIterator[str]:
        spoken = list(body["messages"])
        prefix = spoken.pop()["content"] if body.get("continue_final_message") else ""
        stream = self.chat.stream(
            [_message(message) for message in spoken],
            max_tokens=body.get("max_tokens") or body["max_completion_tokens"],
            temperature=body.get("temperature", 1.0),
            seed=body.get("seed", 0),
            prefix=prefix,
        )
        whole = False
        try:
            yield _chunk({"role": "assistant", "content": ""})
            waiting: list[Token] = []
            given = 0
            async with aclosing(stream):
                async for token in stream:
                    if given == self.breaks_after:
                        yield _data({"error": {"message": "EngineDeadError", "type": "server_error", "code": 500}})
                        return
                    given += 1
                    waiting.append(token)
                    if len(waiting) == self.together:
                        yield _spoken(waiting, logprobs=self.habits != "anthropic" and body.get("logprobs", False))
                        waiting = []
            if waiting:
                yield _spoken(waiting, logprobs=self.habits != "anthropic" and body.get("logprobs", False))
            if self.refusal:
                yield _chunk({"refusal": self.refusal})
            yield _chunk({}, finish=self.finish)
            if body.get("stream_options", {}).get("include_usage"):
                yield _data(
                    {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [],
                     "usage": {"prompt_tokens": 1000, "completion_tokens": given, "total_tokens": 1000 + given}}
                )  # fmt: skip
            yield "data: [DONE]\n\n"
            whole = True
        except BadRequest as error:
            yield _data({"error": {"message": error.detail, "type": "BadRequestError", "code": 400}})
        except (GeneratorExit, asyncio.CancelledError):
            if not whole:
                self.hung_up.set()
            raise


def _message(message: dict[str, Any]) -> Message[bytes]:
    content = message["content"]
    if isinstance(content, str):
        return Message(message["role"], (TextPart(content),))
    return Message(message["role"], tuple(map(_part, content)))


def _part(part: dict[str, Any]) -> TextPart | ImagePart[bytes]:
    if part["type"] == "text":
        return TextPart(part["text"])
    head, _, data = part["image_url"]["url"].partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64", "data:image/webp;base64"), head
    return ImagePart(base64.b64decode(data, validate=True))


def _spoken(tokens: list[Token], *, logprobs: bool) -> str:
    content = [
        {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode()), "top_logprobs": []}
        for token in tokens
        if token.logprob is not None
    ]
    text = "".join(token.text for token in tokens)
    return _chunk({"content": text}, logprobs={"content": content, "refusal": None} if logprobs else None)


def _chunk(delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
    return _data({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]})


def _data(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body)}\n\n"


def _unsupported(param: str, words: str) -> Response:
    message = f"Unsupported parameter: '{param}' is not supported with this model. {words}"
    body = {"error": {"message": message, "type": "e", "param": param, "code": "unsupported_parameter"}}
    return JSONResponse(body, status_code=400)


def _error(status: int, message: str) -> Response:
    body = {"error": {"message": message, "type": "error", "param": None, "code": status}}
    return JSONResponse(body, status_code=status, headers={"retry-after-ms": "1"})
