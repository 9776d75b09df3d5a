"""What can be set for the orchestrator: `INTERLEAVETHINKER_ORCHESTRATOR__<FIELD>`, or `[orchestrator]` in a profile."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from interleavethinker.settings import state_dir
from interleavethinker.types import GeneratorName
from services.orchestrator.access_settings import (
    FilterSettings,
    LinkSettings,
    OidcSettings,
    RateSettings,
    ReferenceSettings,
    is_loopback,
)
from services.orchestrator.reach import Reach


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
    generator_name: GeneratorName = Field(default="default", description="how requests may name the one at that URL")
    generators: dict[GeneratorName, str] = Field(
        default={}, description="further generator services, by the name that a request asks for: their URLs"
    )
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
    max_losses: int = Field(
        default=5, ge=1, description="replicas in a row that may fall silent over a run with nothing new recorded"
    )
    patience_seconds: float = Field(
        default=900.0, ge=0, description="how long, in all, a run waits for each service that is away, before it ends"
    )
    speculate: bool = Field(
        default=False,
        description="draw the next step on a guess while the critic thinks: for generators on devices of their own",
    )
    speculate_depth: int = Field(
        default=4, ge=1, le=20, description="verdicts that a guess may hang on: 1: only the next step is guessed"
    )
    speculate_worth: float = Field(
        default=0.3, ge=0, le=1, description="a guess is made where it is so probable that it will be asked for"
    )
    judge_ahead: int = Field(
        default=0,
        ge=0,
        description="drawings made ahead are judged ahead too, while fewer judgements than this are under way that "
        "this replica's runs wait for; 0: never",
    )
    side_by_side: int = Field(
        default=0,
        ge=0,
        le=64,
        description="independent steps and further candidates of one run that are drawn at a time, on idle workers; "
        "0: one after the other",
    )
    wait_seconds: float = Field(default=300, gt=0, description="the longest `Prefer: wait=N` that is honoured")
    images: ImageLimits = ImageLimits()
    exports_at_once: int = Field(default=2, ge=1, description="PDFs and other files made at a time, by this replica")
    idempotency_seconds: float = Field(default=86_400, gt=0, description="how long an Idempotency-Key is remembered")
    webhooks: WebhookSettings = WebhookSettings()
    auth: Literal["off", "keys", "oidc"] = Field(
        default="off", description="off: everybody, for one's own machine; keys: API keys; oidc: an issuer's tokens too"
    )
    open_to_all: bool = Field(
        default=False, description="serve with `auth: off` where others can reach it: something before it must guard it"
    )
    oidc: OidcSettings = OidcSettings()
    rates: RateSettings = RateSettings()
    links: LinkSettings = LinkSettings()
    references: ReferenceSettings = ReferenceSettings()
    filter: FilterSettings = FilterSettings()
    retention_days: float | None = Field(
        default=None,
        gt=0,
        description="ended runs that were asked for longer ago, and their images, are deleted; None: never",
    )

    @property
    def reach(self) -> Reach:
        """How far ahead of a run's loop is worked."""
        depth = self.speculate_depth if self.speculate else 0
        return Reach(depth, self.speculate_worth, self.side_by_side, self.judge_ahead)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if self.generator_name in self.generators:
            raise ValueError(
                f"generators names {self.generator_name!r}, which is the one at generator_url: set generator_name"
            )
        return self

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.auth == "off" and not self.open_to_all and not is_loopback(self.host):
            raise ValueError(
                f"auth is off and host {self.host!r} can be reached by others: set auth to keys (and make one with "
                "`python -m services.orchestrator keys create`) or oidc, or set open_to_all to true if something "
                "before this service knows who calls"
            )
        if self.auth == "oidc" and not (self.oidc.issuer and self.oidc.audience):
            raise ValueError("auth is oidc: set oidc.issuer and oidc.audience")
        return self
