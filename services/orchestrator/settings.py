"""What can be set for the orchestrator: `INTERLEAVETHINKER_ORCHESTRATOR__<FIELD>`, or `[orchestrator]` in a profile."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from interleavethinker.settings import state_dir


class ImageLimits(BaseModel):
    """What is taken as input images."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    count: int = Field(default=16, ge=0)
    bytes: int = Field(default=10_000_000, gt=0, description="encoded size of one image")
    pixels: int = Field(default=16_777_216, gt=0, description="width times height of one image")


def _signs(secret: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("write whsec_ and the base64 of 24 to 64 random bytes")
    return secret


WebhookSecret = Annotated[SecretStr, AfterValidator(_signs)]


class Endpoint(BaseModel):
    """A webhook that is told of every run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    secret: WebhookSecret
    events: tuple[str, ...] = ("finished",)


class WebhookSettings(BaseModel):
    """Who is told of runs, and how (Standard Webhooks)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    endpoints: tuple[Endpoint, ...] = Field(default=(), description="told of every run")
    secret: WebhookSecret | None = Field(
        default=None, description="signs what goes to URLs in requests; without it requests may name no webhook"
    )
    private: bool = Field(default=False, description="whether addresses of the own network may be called")
    answer_seconds: float = Field(default=10, gt=0, description="how long a receiver may take to answer")
    first_wait: float = Field(default=2, gt=0, description="seconds before the second try; doubled from then on")
    patience: float = Field(default=86_400, gt=0, description="seconds after which a delivery is given up")
    look_seconds: float = Field(default=1, gt=0, description="how often a replica looks for what is due")


class OrchestratorSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str | None = Field(default=None, description="how callers reach this service; None: as they just did")
    planner_url: str = "http://127.0.0.1:8081"
    critic_url: str = "http://127.0.0.1:8082"
    generator_url: str = "http://127.0.0.1:8083"
    journal: str = Field(
        default_factory=lambda: f"sqlite:///{state_dir() / 'journal.db'}",
        description="sqlite:///path/to/file or postgresql://user:password@host/database",
    )
    runs_at_once: int = Field(default=4, ge=1, description="of this replica; further runs wait as `queued`")
    runs_at_once_per_owner: int | None = Field(
        default=None, ge=1, description="of one tenant, over all replicas; None: only the turns that tenants take"
    )
    queued_per_owner: int | None = Field(
        default=1000, ge=1, description="runs of one tenant that may wait; a further one is a 429. None: no limit"
    )
    lease_seconds: float = Field(
        default=10.0, ge=0.5, description="a replica that is silent for so long has lost its runs to the others"
    )
    patience_seconds: float = Field(
        default=900.0, ge=0, description="how long, in all, a run waits for each service that is away, before it ends"
    )
    speculate: bool = Field(default=False, description="hint at the next step's drawing while the critic thinks")
    wait_seconds: float = Field(default=300, gt=0, description="the longest `Prefer: wait=N` that is honoured")
    images: ImageLimits = ImageLimits()
    idempotency_seconds: float = Field(default=86_400, gt=0, description="how long an Idempotency-Key is remembered")
    webhooks: WebhookSettings = WebhookSettings()
