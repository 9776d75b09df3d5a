"""What a deployer may say about a hosted image model: `[generator.hosted]`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from interleavethinker.types import Size

Parameter = Literal["seed", "num_inference_steps", "guidance_scale"]
_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")


def size_of(text: str) -> Size:
    """`1536x1024` as a Size. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r}: write a size as 1536x1024")
    return Size(width=int(found[1]), height=int(found[2]))


def _is_size(text: str) -> str:
    size_of(text)
    return text


class Price(BaseModel):
    """What the server's owner charges. Only for counting: nothing is asked of anybody by it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    image: float = Field(default=0.0, ge=0, description="for each picture that is answered")
    input_million: float = Field(default=0.0, ge=0, description="for a million tokens read, where the server says them")
    output_million: float = Field(default=0.0, ge=0, description="for a million tokens written, the picture's included")
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")


class HostedSettings(BaseModel):
    """Somebody else's image server, by URL. Only backends that call one read this."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str | None = Field(
        default=None,
        description="with its version (…/v1). openai_images: None is OPENAI_BASE_URL, else OpenAI; gemini: Google",
    )
    api_key: SecretStr | None = Field(
        default=None, description="None: OPENAI_API_KEY; gemini: GEMINI_API_KEY or GOOGLE_API_KEY"
    )
    headers: dict[str, SecretStr] = Field(default={}, description="further ones, such as OpenAI-Organization")
    flavour: Literal["auto", "openai", "vllm"] = Field(
        default="auto",
        description="openai_images: openai sends OpenAI's own fields only, vllm (vLLM-Omni, SGLang) `takes` as well; "
        "auto: openai at api.openai.com",
    )
    takes: tuple[Parameter, ...] | None = Field(
        default=None, description="which parameters of a job the server takes; None: all (vllm), none (openai), seed"
    )
    sizes: tuple[Annotated[str, AfterValidator(_is_size)], ...] | None = Field(
        default=None,
        description="sizes that the server draws, as 1536x1024: the one of the nearest shape is asked for. Empty: any; "
        "None: any (vllm), those of OpenAI's image models (openai). Not for gemini, which has shapes",
    )
    max_references: int | None = Field(
        default=None, ge=0, description="pictures that it looks at; None: 16 (openai_images), 14 (gemini)"
    )
    reference_pixels: int = Field(default=1536 * 1536, ge=256, description="a larger reference is scaled down to this")

    seconds: float = Field(default=180.0, gt=0, description="for one call, from the first byte sent to the last")
    tries: int = Field(default=4, ge=1, description="calls of a server that is overloaded or away")
    longest_wait: float = Field(default=60.0, ge=0, description="seconds between these, in all, Retry-After included")
    first_pause: float = Field(default=1.0, gt=0, description="seconds before the second one; doubled; no Retry-After")
    reasks: int = Field(default=2, ge=0, le=5, description="further questions after an answer without a usable picture")
    max_bytes: int = Field(default=64_000_000, gt=0, description="the largest answer that is read")
    price: Price = Price()
