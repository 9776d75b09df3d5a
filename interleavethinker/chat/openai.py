"""A model behind any server of OpenAI's chat API, by URL: an unmodified `vllm serve`, SGLang, or a hosted one.

Built on the openai SDK, which keeps what we would otherwise have to: the stream's format with its in-stream errors, and
retries that honour Retry-After; it runs on the house's httpx2. Images go as `data:` URLs only, so that the server never
fetches anything. Does not start, configure or load the server's model.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, Literal

import httpx2
import openai
import structlog
from openai.types.chat import ChatCompletionChunk

from interleavethinker import http, tracing
from interleavethinker.chat.base import Token
from interleavethinker.chat.habits import QUOTA, REFUSALS, Ending, Fields, Usage, words_of
from interleavethinker.chat.pictures import ImageNames, Pictures, plain
from interleavethinker.chat.traced import traced
from interleavethinker.codec import Message, TextPart
from interleavethinker.errors import BadRequest, BadSettings, ContentRefused, InterleaveError, Unavailable
from interleavethinker.quoting import repeated

log = structlog.get_logger(__name__)

Flavour = Literal["vllm", "plain"]
"""`vllm` also takes a prefix and a cache salt; `plain` is sent nothing but OpenAI's own fields, and of these none that
it refused (`habits`)."""

READY_SECONDS = 60.0
"""For so long a hosted service that was ready is not asked again."""
SHOWN_MODELS = 20
WARMING_SECONDS = 1.0
"""For so long a probe of readiness waits for the first answer."""


class OpenAIChat:
    """Implements `chat.Chat`. The server tokenises, so that control tokens in a text have to be broken here."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        flavour: Flavour = "vllm",
        timeout: float = 120.0,
        retries: int = 2,
        logprobs: bool = True,
        cache_salt: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        headers: Mapping[str, str] | None = None,
        listed: bool = True,
        image_bytes: int | None = None,
        usage: Usage | None = None,
        image_names: ImageNames = "off",
        session_header: str | None = None,
        warm_up: bool = False,
    ) -> None:
        """`timeout`: seconds without a byte. `retries`: of an answer that has not begun. `logprobs`: False for servers
        that refuse them; confidences are then unknown. `base_url`, `api_key`, `organization` and `project` default to
        the OPENAI_* variables. `listed`: False where the server names no models. `image_bytes`: a larger image is sent
        as JPEG. `image_names` (`pictures`), `session_header` (one that routes a run's questions to the same replica)
        and `warm_up` (ready only after a first answer with log-probabilities) are for `vllm`."""
        self.model = model
        self.supports_prefix = flavour == "vllm"
        self._salt = cache_salt
        self._fields = Fields(logprobs=logprobs, learns=flavour == "plain")
        self._listed = listed
        self._pictures = Pictures(image_names if flavour == "vllm" else "off", image_bytes)
        self._session_header = session_header
        self._warming: asyncio.Task[None] | None = None
        self._warm = not (warm_up and flavour == "vllm")
        self._seen = -READY_SECONDS
        self._usage = usage or Usage(model, 0.0, 0.0, "USD")
        key = api_key or os.environ.get("OPENAI_API_KEY") or "none"  # vLLM asks for no key, the SDK for some
        self._secrets = [key if key != "none" else "", *(headers or {}).values()]
        self._api = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key,
            organization=organization,
            project=project,
            default_headers=dict(headers or {}),
            timeout=httpx2.Timeout(timeout, connect=5.0),
            max_retries=retries,
        )

    @traced
    async def stream(
        self,
        messages: Sequence[Message[bytes]],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        prefix: str = "",
    ) -> AsyncGenerator[Token, None]:
        if prefix and not self.supports_prefix:
            raise BadRequest(f"{self._api.base_url} cannot go on from a prefix: leave it out, or use flavour = 'vllm'")
        salt = self._cache_salt() if self.supports_prefix else None
        extra: dict[str, Any] = {"cache_salt": salt} if salt else {}
        tail: list[Any] = []
        if prefix:
            tail = [{"role": "assistant", "content": plain(prefix)}]
            extra |= {"continue_final_message": True, "add_generation_prompt": False}
        asked: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        for whole in (False, True):
            spoken = await asyncio.to_thread(self._pictures.said, messages, salt, whole=whole)
            begun = False
            try:
                async with aclosing(self._answer([*spoken, *tail], extra, **asked)) as tokens:
                    async for token in tokens:
                        if not begun:
                            begun = True
                            self._pictures.known(spoken)
                        yield token
                return
            except (BadRequest, Unavailable) as error:
                if begun or not self._pictures.forget(spoken):
                    raise
                # The server, or another replica of it, may not have an image that was left out.
                log.info("all images are sent again", reason=error.detail[:200])

    async def _answer(
        self, spoken: list[Any], extra: dict[str, Any], *, max_tokens: int, temperature: float, seed: int
    ) -> AsyncGenerator[Token, None]:
        usage, decoded, ending = None, 0, Ending()
        url = self._api.base_url
        served = {"server.address": url.host, "server.port": url.port}
        tracing.annotate({"gen_ai.provider.name": "vllm" if self.supports_prefix else "openai", **served})
        with self._our_errors():
            chunks = await self._begun(spoken, extra, max_tokens=max_tokens, temperature=temperature, seed=seed)
            waiting: list[tuple[str, float | None]] = []
            try:
                async with chunks:  # leaving it early closes the connection, which is how a server learns to stop
                    async for chunk in chunks:
                        usage = chunk.usage or usage
                        ending.watch(chunk)
                        for token in _tokens(chunk, waiting):
                            decoded += 1
                            yield token
            finally:
                self._usage.count(usage, decoded)
                tracing.annotate(ending.attributes(usage))
        ending.look(self.model, max_tokens)

    async def _begun(self, spoken: list[Any], extra: dict[str, Any], **asked: Any) -> Any:
        """The stream of the answer, asked for without the fields that the server refuses."""
        while True:
            try:
                return await self._api.chat.completions.create(
                    model=self.model,
                    messages=spoken,
                    stream=True,
                    extra_body=extra or None,
                    # vLLM's own spans go on from ours.
                    extra_headers={**(self._session() or {}), **(tracing.headers() if self.supports_prefix else {})},
                    **self._fields.of(**asked),
                )
            except openai.APIStatusError as error:
                if not self._fields.learn(error):  # each lesson is learnt once, so this ends
                    raise

    def _cache_salt(self) -> str | None:
        """Each tenant's own: the time that an answer takes must not tell one what another has asked. A digest, which
        says no tenant's name to the server."""
        if (tenant := http.tenant.get()) is None:
            return self._salt
        return hashlib.sha256(f"{self._salt or ''}/{tenant}".encode()).hexdigest()

    def _session(self) -> dict[str, str] | None:
        """The same for all questions of a run, whose images and instructions one replica then has; no run's name."""
        if self._session_header is None or (run_id := http.run_id.get()) is None:
            return None
        return {self._session_header: hashlib.sha256(f"{http.tenant.get() or ''}/{run_id}".encode()).hexdigest()[:32]}

    async def ready(self) -> list[str]:
        return await self._served() or await self._warmed()

    async def _warmed(self) -> list[str]:
        """The first answer with log-probabilities takes a server seconds; it is asked for before anyone waits for one.
        It also opens the connection that the first question then finds."""
        if self._warm:
            return []
        if self._warming is None:
            self._warming = asyncio.create_task(self._warming_up())
        await asyncio.wait({self._warming}, timeout=WARMING_SECONDS)
        if not self._warming.done():
            return [f"{self.model} is being warmed up"]
        done, self._warming = self._warming, None
        error = done.exception()
        if error is not None and not isinstance(error, InterleaveError):
            raise error
        self._warm = error is None
        return [error.detail] if error else []

    async def _warming_up(self) -> None:
        hello = [Message[bytes]("user", (TextPart("Say yes."),))]
        async with aclosing(self.stream(hello, max_tokens=1)) as tokens:
            async for _ in tokens:
                pass

    async def _served(self) -> list[str]:
        if not self._listed or time.monotonic() - self._seen < READY_SECONDS:
            return []
        try:
            with self._our_errors():
                served = [model.id async for model in self._api.with_options(max_retries=0).models.list()]
        except (BadRequest, BadSettings, Unavailable) as error:
            return [error.detail]
        if self.model in (name.removeprefix(prefix) for name in served for prefix in ("", "models/")):
            if not self.supports_prefix:  # somebody else's server need not be asked by every probe
                self._seen = time.monotonic()
            return []
        served = served[:SHOWN_MODELS]
        return [f"{self._api.base_url} does not serve {self.model}; it serves {', '.join(served) or 'nothing'}"]

    async def close(self) -> None:
        if self._warming:
            self._warming.cancel()
        await self._api.close()

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        where = str(self._api.base_url)

        def said(error: Exception) -> str:
            return repeated(words_of(error), self._secrets, 500)

        try:
            yield
        except openai.RateLimitError as error:
            if error.code in QUOTA:
                raise BadSettings(
                    f"the account at {where} is spent, look at its billing page ({said(error)})"
                ) from error
            raise Unavailable(f"{where} is asked too much at once: try again later ({said(error)})") from error
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise BadSettings(f"{where} refuses the key: set api_key or OPENAI_API_KEY ({said(error)})") from error
        except openai.NotFoundError as error:
            raise BadSettings(
                f"{where} has no {self.model!r}: set `model` to what it serves ({said(error)})"
            ) from error
        except openai.APIStatusError as error:
            if error.status_code >= 500 or error.status_code in (408, 409):
                raise Unavailable(f"{where} failed: look at its log and try again ({said(error)})") from error
            if error.code in REFUSALS:
                raise ContentRefused(f"{where} refuses to answer this: {said(error)}") from error
            raise BadRequest(f"{where} refuses the request; change it as it says: {said(error)}") from error
        except (openai.APIError, httpx2.TransportError) as error:
            raise Unavailable(f"{where} does not answer or broke off: is it running? ({said(error)})") from error


def _tokens(chunk: ChatCompletionChunk, waiting: list[tuple[str, float | None]]) -> Iterator[Token]:
    """The tokens of a chunk. Its text may hold several, or ones whose log-probability came with a chunk before."""
    if not chunk.choices:
        return
    choice = chunk.choices[0]
    if choice.logprobs:
        waiting += [(each.token, each.logprob) for each in choice.logprobs.content or ()]
    text = choice.delta.content
    if not text:
        return
    if "".join(spelled for spelled, _ in waiting) == text:
        yield from (Token(*each) for each in waiting)
    else:  # a character over several tokens: the text is sure, what each token adds to it is not
        yield Token(text, waiting[0][1] if len(waiting) == 1 else None)
    waiting.clear()
