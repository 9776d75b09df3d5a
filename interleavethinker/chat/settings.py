"""Which model a service talks to: settings, and the one place that turns them into a `Chat`.

The backends are imported only when chosen: torch takes seconds, and a service that talks to a server needs none.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from interleavethinker.chat.base import Chat
from interleavethinker.chat.pictures import ImageNames
from interleavethinker.chat.presets import preset
from interleavethinker.checkpoint import Pack, check_pack, read_manifest
from interleavethinker.errors import BadCheckpoint
from interleavethinker.settings import NO_PRESET, find_path


class ChatPrice(BaseModel):
    """What a hosted model's owner charges for a million tokens; only for counting."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    input_million: float = Field(default=0.0, ge=0)
    output_million: float = Field(default=0.0, ge=0)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")


class ChatSettings(BaseModel):
    """A served model. The fields marked `local` or `openai` matter to that backend only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Literal["local", "openai"] = Field(
        default="local", description="`local`: transformers in this process; `openai`: a server of OpenAI's chat API"
    )
    preset: str | None = Field(
        default=None, description="a served model by name, with its prompt pack: docs/models.md; it needs a base_url"
    )
    model: str = Field(description="a checkpoint directory or Hugging Face id; openai: the server's name for it")

    device: str = Field(default="cpu", description="local: torch's name of the device, such as cuda:0")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(default="float32", description="local: float32 on a CPU")
    threads: int | None = Field(default=None, ge=1, description="local: torch's threads; None: torch's own choice")
    pinned: bool = Field(default=True, description="local: a Hugging Face id must name a commit, as owner/name@commit")

    base_url: str | None = Field(default=None, description="openai: with its /v1; None: OPENAI_BASE_URL")
    api_key: SecretStr | None = Field(default=None, description="openai: None: OPENAI_API_KEY, or no key")
    flavour: Literal["vllm", "plain"] = Field(
        default="vllm",
        description="openai: `plain` for hosted services and other servers; fields that these refuse are left out",
    )
    timeout: float = Field(default=120.0, gt=0, description="openai: seconds without a byte")
    retries: int = Field(default=2, ge=0, description="openai: of an answer that has not begun")
    logprobs: bool = Field(default=True, description="openai: false for servers that refuse them")
    organization: str | None = Field(default=None, description="openai: None: OPENAI_ORG_ID, or none")
    project: str | None = Field(default=None, description="openai: None: OPENAI_PROJECT_ID, or none")
    headers: dict[str, SecretStr] = Field(default={}, description="openai: further ones, as some services want")
    listed: bool = Field(
        default=True, description="openai: readiness asks GET /models for the model; false where that is not served"
    )
    image_bytes: int | None = Field(
        default=None,
        ge=10_000,
        description="openai: a larger image is sent as JPEG; hosted services limit a call's size",
    )
    price: ChatPrice = ChatPrice()
    cache_salt: str | None = Field(
        default=None, description="openai, vllm: keeps prefix caches apart; tenants' are apart anyway"
    )
    image_names: ImageNames = Field(
        default="off",
        description="openai, vllm: named: each image with a stable `uuid`, so that the server need not read it again; "
        "once: and without its pixels where it was sent before (sent again where the server misses it)",
    )
    session_header: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9-]+$",
        description="openai, vllm: a header with a key of the run, as routers before several replicas want it",
    )
    warm_up: bool = Field(
        default=False, description="openai, vllm: one token is asked for before the service says that it is ready"
    )

    SECTION: ClassVar[str] = "chat"
    PRESET_FIELDS: ClassVar[tuple[str, ...]] = ("backend", "model", "pack")
    """What weaker sources say of these is not meant for the preset's model: a preset begins anew (settings.py)."""

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("preset") in (None, NO_PRESET):
            return {**values, "preset": None} if isinstance(values, dict) and "preset" in values else values
        return preset(cls.SECTION, str(values["preset"])).values(cls.SECTION, values) | values


def open_chat(settings: ChatSettings) -> Chat:
    """The backend that the settings name. A local model is loaded in the background; `ready` tells when it is there."""
    if settings.backend == "local":
        from interleavethinker.chat.local import LocalChat

        return LocalChat(
            settings.model,
            device=settings.device,
            dtype=settings.dtype,
            threads=settings.threads,
            pinned=settings.pinned,
        )
    from interleavethinker.chat.habits import Usage
    from interleavethinker.chat.openai import OpenAIChat

    return OpenAIChat(
        settings.model,
        base_url=settings.base_url,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        flavour=settings.flavour,
        timeout=settings.timeout,
        retries=settings.retries,
        logprobs=settings.logprobs,
        cache_salt=settings.cache_salt,
        organization=settings.organization,
        project=settings.project,
        headers={name: value.get_secret_value() for name, value in settings.headers.items()},
        listed=settings.listed,
        image_bytes=settings.image_bytes,
        image_names=settings.image_names,
        session_header=settings.session_header,
        warm_up=settings.warm_up,
        usage=Usage(
            settings.model, settings.price.input_million, settings.price.output_million, settings.price.currency
        ),
    )


def served_model(settings: ChatSettings) -> str:
    """The model as name@revision, for whoever asks later what wrote this: a checkpoint's by its manifest; a server's
    or a hub's as the settings say it (name a revision there)."""
    try:
        manifest = read_manifest(find_path(settings.model))
    except BadCheckpoint:
        manifest = None
    return f"{manifest.name}@{manifest.content_digest[:12]}" if manifest else settings.model


def trained_otherwise(settings: ChatSettings, pack: Pack) -> list[str]:
    """Why the model does not fit the prompt pack, in words; empty when it does, or when it names no pack of its own."""
    try:
        manifest = read_manifest(find_path(settings.model))
        if manifest:
            check_pack(manifest, pack)
    except BadCheckpoint as error:
        return [error.detail]
    return []
