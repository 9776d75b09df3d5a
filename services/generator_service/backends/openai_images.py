"""Any server of OpenAI's Images API: OpenAI's own, vLLM-Omni, SGLang, and the many that speak alike.

Without references POST {base}/images/generations (JSON), with them POST {base}/images/edits (a form). Pictures come as
base64, or by a URL that is fetched with care. A server of one's own also takes the seed and the diffusion parameters.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from PIL import Image

from interleavethinker.codec import clean
from interleavethinker.errors import BadRequest, ContentRefused, InterleaveError
from interleavethinker.fetching import PictureFetch
from interleavethinker.types import ImageJob
from services.generator_service.hosted.backend import HostedBackend, amount
from services.generator_service.hosted.calling import Answer, Call, Host, Refusal
from services.generator_service.hosted.drawn import Unusable, from_base64, from_bytes, nearest, to_png
from services.generator_service.hosted.settings import Parameter, size_of
from services.generator_service.settings import GeneratorSettings

OPENAI = "https://api.openai.com/v1"
OPENAI_SIZES = ("1024x1024", "1536x1024", "1024x1536")
REFUSALS = ("moderation_blocked", "content_policy_violation", "content_filter", "contentfilter", "safety_violation")
QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")


def open_backend(settings: GeneratorSettings) -> OpenAIImages:
    return OpenAIImages(settings)


class _Rules:
    """For URLs in answers: public ones by https, and the server's own place, which the settings name, as it is."""

    def __init__(self, seconds: float, *, own: bool) -> None:
        self.fetch, self.insecure, self.private, self.seconds = True, own, own, seconds


class OpenAIImages(HostedBackend):
    """Implements `base.Backend`."""

    name = "openai_images"

    def __init__(self, settings: GeneratorSettings) -> None:
        hosted = settings.hosted
        base_url = (hosted.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI).rstrip("/")
        key = hosted.api_key.get_secret_value() if hosted.api_key else os.environ.get("OPENAI_API_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        organisation = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
        headers |= {name: os.environ[variable] for name, variable in organisation.items() if os.environ.get(variable)}
        super().__init__(settings, base_url, headers)
        auto = "openai" if urlsplit(base_url).hostname == urlsplit(OPENAI).hostname else "vllm"
        self._plain = (auto if hosted.flavour == "auto" else hosted.flavour) == "openai"
        every: tuple[Parameter, ...] = ("seed", "num_inference_steps", "guidance_scale")
        self.takes = hosted.takes if hosted.takes is not None else (() if self._plain else every)
        self.max_references = 16 if hosted.max_references is None else hosted.max_references
        sizes = hosted.sizes if hosted.sizes is not None else (OPENAI_SIZES if self._plain else ())
        self._sizes = [size_of(each) for each in sizes]

    def question(self, job: ImageJob, references: Sequence[Image.Image], seed: int) -> Call:
        fields: dict[str, Any] = {"model": self.model, "prompt": clean(job.prompt), "n": 1}
        if job.size:
            size = nearest(job.size, self._sizes) if self._sizes else job.size
            fields["size"] = f"{size.width}x{size.height}"
        if not self._plain:  # OpenAI's image models answer base64 in any case, and refuse to be asked for it
            fields["response_format"] = "b64_json"
        fields |= job.params.model_dump(exclude_none=True)
        if "seed" in self.takes:
            fields["seed"] = seed
        fields = {name: value for name, value in {**fields, **self.settings.call}.items() if value is not None}
        if not references:
            return Call("/images/generations", json=fields)
        name = "image" if len(references) == 1 else "image[]"
        pictures = [to_png(each, self.hosted.reference_pixels) for each in references]
        files = [(name, (f"{place}.png", png, "image/png")) for place, png in enumerate(pictures, 1)]
        return Call("/images/edits", form={key: _text(value) for key, value in fields.items()}, files=files)

    async def picture(self, answer: Answer, host: Host) -> Image.Image:
        body = answer.body or {}
        data = body.get("data")
        data = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        price = self.hosted.price
        cost = amount(price, pictures=len(data), read=usage.get("input_tokens"), written=usage.get("output_tokens"))
        host.count("answered" if data else "unusable", cost)
        if host.tally.reported == "":
            host.tally.reported = host.say(self._reported(answer))
        if not data:
            raise Unusable(f"it holds no picture: {host.say(body or 'no JSON')}")
        first = data[0]
        if first.get("b64_json"):
            return from_base64(first["b64_json"], max_pixels=self.settings.max_pixels)
        if isinstance(url := first.get("url"), str) and url:
            return from_bytes(await self._fetched(url, host.base_url), max_pixels=self.settings.max_pixels)
        raise Unusable("it holds neither b64_json nor url")

    def refusal(self, status: int, said: Any) -> Refusal:
        error = said.get("error", said) if isinstance(said, dict) else {}
        error = error if isinstance(error, dict) else {"message": error}
        codes = {str(error.get(name)).lower() for name in ("code", "type")}
        inner = error.get("innererror")
        if isinstance(inner, dict):  # Azure says it one level deeper
            codes.add(str(inner.get("code")).lower())
        content = status == 451 or (status in (400, 403) and any(code in REFUSALS for code in codes))
        return Refusal(
            content=content or "responsibleaipolicyviolation" in codes,
            quota=any(code in QUOTA for code in codes),
            words=str(error.get("message") or error.get("detail") or said),
        )

    async def missing(self, host: Host) -> str | None:
        status, said = await host.get("/models")
        if status in (401, 403):
            return f"{host.base_url} refuses the key ({status}): set generator.hosted.api_key or OPENAI_API_KEY"
        listed = said.get("data") if status == 200 and isinstance(said, dict) else None
        names = [str(each.get("id")) for each in listed or () if isinstance(each, dict)]
        if not names or self.model in names:
            return None
        shown = ", ".join(names[:20])
        return f"{host.base_url} does not serve generator.model {self.model!r}; it serves {host.say(shown)}"

    def _reported(self, answer: Answer) -> str:
        body = answer.body or {}
        told = {
            "model": body.get("model"),
            "id": body.get("id"),
            "created": body.get("created"),
            "request": answer.headers.get("x-request-id"),
        }
        return ", ".join(f"{name} {value}" for name, value in told.items() if value)

    async def _fetched(self, url: str, base_url: str) -> bytes:
        url = urljoin(f"{base_url}/", url)  # SGLang gives a path
        own = urlsplit(url)[:2] == urlsplit(base_url)[:2]
        try:
            return await PictureFetch(_Rules(self.hosted.seconds, own=own))(url, self.hosted.max_bytes)
        except (BadRequest, InterleaveError) as error:
            if isinstance(error, ContentRefused):
                raise
            raise Unusable(f"its picture's URL: {error.detail}") from None


def _text(value: Any) -> str:
    """As a form has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
