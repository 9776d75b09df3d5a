"""Google's Gemini models that answer in pictures: POST {base}/models/{model}:generateContent.

The references and the prompt are the parts of one message; the answer's parts are thoughts, texts and pictures, of
which the last picture counts. A size is asked for as the nearest shape the model knows. Deliberately not here: Imagen's
`:predict`, and Vertex AI's own sign-in (its REST URL works with a bearer token in `generator.hosted.headers`).
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from typing import Any

from PIL import Image

from interleavethinker.codec import clean
from interleavethinker.errors import ContentRefused
from interleavethinker.types import ImageJob, Size
from services.generator_service.hosted.backend import HostedBackend, amount
from services.generator_service.hosted.calling import Answer, Call, Host, Refusal
from services.generator_service.hosted.drawn import Unusable, from_base64, nearest, to_png
from services.generator_service.settings import GeneratorSettings

GOOGLE = "https://generativelanguage.googleapis.com/v1beta"
SHAPES = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
REFUSALS = frozenset(
    {
        "SAFETY",
        "IMAGE_SAFETY",
        "PROHIBITED_CONTENT",
        "IMAGE_PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "RECITATION",
        "IMAGE_RECITATION",
    }
)
"""Reasons to stop that are the provider's rules. Others (NO_IMAGE, IMAGE_OTHER, MAX_TOKENS, STOP) may pass."""
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


def open_backend(settings: GeneratorSettings) -> Gemini:
    return Gemini(settings)


class Gemini(HostedBackend):
    """Implements `base.Backend`."""

    name = "gemini"

    def __init__(self, settings: GeneratorSettings) -> None:
        hosted = settings.hosted
        key = (
            hosted.api_key.get_secret_value()
            if hosted.api_key
            else os.environ.get("GEMINI_API_KEY") or os.environ.get("GOOGLE_API_KEY")
        )
        # In a header, never in the URL: URLs are logged.
        super().__init__(settings, hosted.base_url or GOOGLE, {"x-goog-api-key": key} if key else {})
        self.model = settings.model.removeprefix("models/")
        self.takes = hosted.takes if hosted.takes is not None else ("seed",)
        self.max_references = 14 if hosted.max_references is None else hosted.max_references

    def question(self, job: ImageJob, references: Sequence[Image.Image], seed: int) -> Call:
        pictures = (to_png(each, self.hosted.reference_pixels) for each in references)
        parts: list[dict[str, Any]] = [
            {"inline_data": {"mime_type": "image/png", "data": base64.b64encode(png).decode()}} for png in pictures
        ]
        config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
        if "seed" in self.takes:
            config["seed"] = seed
        if job.size:
            config["imageConfig"] = {"aspectRatio": shape_of(job.size)}
        body = {
            "contents": [{"role": "user", "parts": [*parts, {"text": clean(job.prompt)}]}],
            "generationConfig": config,
        }
        return Call(f"/models/{self.model}:generateContent", json=_merged(body, self.settings.call))

    async def picture(self, answer: Answer, host: Host) -> Image.Image:
        body = answer.body or {}
        candidates = body.get("candidates")
        first = candidates[0] if isinstance(candidates, list) and candidates else {}
        first = first if isinstance(first, dict) else {}
        parts = _dict(first.get("content")).get("parts")
        parts = [each for each in parts if isinstance(each, dict)] if isinstance(parts, list) else []
        shown = [each for each in parts if not each.get("thought")]  # a thought may hold a picture that is none yet
        pictures = [_dict(each.get("inlineData") or each.get("inline_data")) for each in shown]
        pictures = [each for each in pictures if each]
        self._count(body, len(pictures), host)
        reason = str(_dict(body.get("promptFeedback")).get("blockReason") or first.get("finishReason") or "")
        words = host.say(" ".join(str(each.get("text", "")) for each in shown) or first.get("finishMessage") or "")
        if not pictures and (reason in REFUSALS or _dict(body.get("promptFeedback")).get("blockReason")):
            raise ContentRefused(f"{host.base_url} refuses to draw this: {reason} {words}".rstrip())
        if not pictures:
            raise Unusable(f"it holds no picture ({reason or 'no reason'}): {words or host.say(body or 'no JSON')}")
        kind = str(pictures[-1].get("mimeType") or pictures[-1].get("mime_type") or "image/png")
        if not kind.startswith("image/"):
            raise Unusable(f"it holds {host.say(kind)} in place of a picture")
        return from_base64(pictures[-1].get("data"), max_pixels=self.settings.max_pixels)

    def refusal(self, status: int, said: Any) -> Refusal:
        said = said[0] if isinstance(said, list) and said else said
        error = _dict(_dict(said).get("error"))
        details = error.get("details")
        details = [_dict(each) for each in details] if isinstance(details, list) else []
        delays = [_DELAY.fullmatch(str(each.get("retryDelay", ""))) for each in details]
        daily = any("PerDay" in str(each.get("violations", "")) for each in details)
        words = str(error.get("message") or said)
        return Refusal(
            content=status == 400 and "safety" in words.lower(),
            quota=status == 429 and daily,
            wait=next((float(found[1]) for found in delays if found), None),
            words=words,
        )

    async def missing(self, host: Host) -> str | None:
        status, said = await host.get(f"/models/{self.model}")
        refusal = self.refusal(status, said)
        if status in (401, 403) or (status == 400 and "api key" in refusal.words.lower()):
            return f"{host.base_url} refuses the key ({status}): set generator.hosted.api_key or GEMINI_API_KEY"
        if status == 404:
            return f"{host.base_url} has no generator.model {self.model!r}: {host.say(refusal.words)}"
        return None

    def _count(self, body: dict[str, Any], pictures: int, host: Host) -> None:
        usage = _dict(body.get("usageMetadata"))
        written = [usage.get(name) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
        cost = amount(
            self.hosted.price,
            pictures=pictures,
            read=usage.get("promptTokenCount"),
            written=sum(each for each in written if isinstance(each, int)),
        )
        host.count("answered" if pictures else "unusable", cost)
        told = {"version": body.get("modelVersion"), "id": body.get("responseId")}
        host.tally.reported = host.say(", ".join(f"{name} {value}" for name, value in told.items() if value))


def shape_of(size: Size) -> str:
    """The nearest of the shapes that the models know."""
    offered = {Size(width=100 * int(a), height=100 * int(b)): f"{a}:{b}" for a, b in (s.split(":") for s in SHAPES)}
    return offered[nearest(size, list(offered))]


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _merged(body: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on top, object by object; None takes a field out."""
    found = dict(body)
    for name, value in over.items():
        inner = found.get(name)
        found[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return {name: value for name, value in found.items() if value is not None}
