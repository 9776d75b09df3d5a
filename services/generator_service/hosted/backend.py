"""The course of a drawing by somebody else's server, the same for every protocol: ask, look at the answer, ask again
where it holds no picture, and drop the call when nobody wants the picture any more.

Deliberately not here: what a protocol's questions and answers look like (`backends`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import urlsplit

import structlog
from PIL import Image

from interleavethinker.errors import BadSettings, DrawFailed, Unavailable
from interleavethinker.types import ImageJob
from services.generator_service.backends.base import Loaded, OnStep, Tally, tally
from services.generator_service.hosted.calling import Answer, Call, Host, Refusal
from services.generator_service.hosted.drawn import Unusable, in_size
from services.generator_service.hosted.settings import Parameter, Price
from services.generator_service.settings import GeneratorSettings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5
"""How often is asked whether the picture is still wanted."""


class HostedBackend(ABC):
    """Implements `base.Backend` for one protocol; several threads may draw at once. Keeps nothing between drawings."""

    name: ClassVar[str]
    concurrent = True
    takes: tuple[Parameter, ...]
    max_references: int

    def __init__(self, settings: GeneratorSettings, base_url: str, key_headers: Mapping[str, str]) -> None:
        if settings.model == type(settings).model_fields["model"].default:
            raise BadSettings(
                f"generator.backend is {self.name!r}: set generator.model to the server's name of a model"
            )
        self.settings, self.hosted, self.model = settings, settings.hosted, settings.model
        self._base_url, self._key_headers = base_url, key_headers
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise BadSettings("generator.hosted.base_url: write an http(s):// URL without a key, a user or a query")
        self._where = parts.netloc

    @abstractmethod
    def question(self, job: ImageJob, references: Sequence[Image.Image], seed: int) -> Call:
        """What to send."""

    @abstractmethod
    async def picture(self, answer: Answer, host: Host) -> Image.Image:
        """The picture in a 200, the cost counted. Raises Unusable (a picture may come next time), ContentRefused."""

    @abstractmethod
    def refusal(self, status: int, said: Any) -> Refusal:
        """How an error of this protocol reads."""

    @abstractmethod
    async def missing(self, host: Host) -> str | None:
        """Why the server cannot draw with this model, in words; None where it can, or does not say."""

    def setup(self) -> Loaded:
        """Asks the server for its models, which is free. One that is away is no reason not to start."""
        asyncio.run(self._checked())
        return Loaded(model=f"{self.model}@{self._where}", device=self._where, dtype="unknown")

    def draw(self, job: ImageJob, references: Sequence[Image.Image], on_step: OnStep) -> Image.Image:
        asked = job.params.model_dump(exclude_none=True)
        if unknown := [name for name in asked if name not in self.takes]:
            raise DrawFailed(f"{self.model} takes no {', '.join(unknown)}: leave it out (generator.hosted.takes)")
        if len(references) > self.max_references:
            raise DrawFailed(
                f"{self.model} looks at {self.max_references} pictures at most and this step has {len(references)}: "
                "pin fewer references (generator.hosted.max_references)"
            )
        return asyncio.run(self._while_wanted(job, references, on_step))

    async def _while_wanted(self, job: ImageJob, references: Sequence[Image.Image], on_step: OnStep) -> Image.Image:
        on_step(0, 1)
        asking = asyncio.create_task(self._drawn(job, references))
        try:
            while not (await asyncio.wait({asking}, timeout=LOOK_SECONDS))[0]:
                await asyncio.to_thread(on_step, 0, 1)
        except BaseException:
            asking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asking  # closes the connection, which is all that can be done
            raise
        picture = in_size(asking.result(), job.size)
        on_step(1, 1)
        return picture

    async def _drawn(self, job: ImageJob, references: Sequence[Image.Image]) -> Image.Image:
        host = self._host(tally.get() or Tally())
        try:
            for ask in range(1 + self.hosted.reasks):
                answer = await host.ask(self.question(job, references, (job.seed + ask) % 2**31))
                try:
                    return await self.picture(answer, host)
                except Unusable as error:
                    words = host.say(error)
                    log.warning("an answer without a usable picture", ask=ask + 1, reason=words)
        finally:
            await host.close()
        raise DrawFailed(f"{self.model} was asked {1 + self.hosted.reasks} times and gave no usable picture: {words}")

    def _host(self, counted: Tally) -> Host:
        return Host(self.hosted, self._base_url, self._key_headers, self.refusal, counted)

    async def _checked(self) -> None:
        host = self._host(Tally())
        try:
            if problem := await self.missing(host):
                raise BadSettings(problem)
        except Unavailable as error:
            log.warning("the image server does not answer yet; jobs will wait for it", reason=error.detail)
        finally:
            await host.close()


def amount(price: Price, *, pictures: int, read: object, written: object) -> float:
    """What an answer costs by these prices. Numbers of tokens are the server's own; what is none counts as none."""
    million = 1_000_000
    tokens = [number if isinstance(number, int) and number > 0 else 0 for number in (read, written)]
    per_token = tokens[0] * price.input_million + tokens[1] * price.output_million
    return float(pictures * price.image + per_token / million)
