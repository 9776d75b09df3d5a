"""What can be set for the door: how callers are known, how much they may ask for, what is filtered. All off by default,
which is right for one person's machine and nowhere else (docs/security.md)."""

from __future__ import annotations

from ipaddress import ip_address

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class OidcSettings(BaseModel):
    """Whose tokens are believed, and what in them names the tenant and what it may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    issuer: str | None = Field(default=None, description="as the tokens' `iss` says it; its keys are found from there")
    audience: str | None = Field(default=None, description="this service's name at the issuer, in the tokens' `aud`")
    jwks_url: str | None = Field(default=None, description="None: as the issuer's openid-configuration says")
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
    tenant_claim: str = Field(default="sub", description="the claim that names the tenant: of a person, or of a team")
    scopes_claim: str = Field(default="scope", description="a text with spaces, or a list")
    scope_prefix: str = Field(default="interleave:", description="stands before read, write and admin in that claim")
    keys_seconds: float = Field(default=600, gt=0, description="how long the issuer's keys are kept")
    leeway_seconds: int = Field(default=30, ge=0, description="how far its clock may be from ours")


class RateSettings(BaseModel):
    """Per tenant. None: no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    runs_per_minute: int | None = Field(default=None, ge=1, description="new ones, and wishes to go on with one")
    images_per_hour: int | None = Field(default=None, ge=1, description="pictures drawn, discarded ones included")
    storage: str = Field(
        default="memory://", pattern="^(memory|redis|rediss|unix)", description="redis://... to share among replicas"
    )


class LinkSettings(BaseModel):
    """Links to pictures that open without a key. Made where `auth` is on and there is a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    secret: SecretStr | None = Field(default=None, min_length=32, description="the same for every replica")
    seconds: int = Field(default=3600, ge=60, description="how long a link opens at least")


class ReferenceSettings(BaseModel):
    """Input images given as URLs: fetched by us, or not at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    fetch: bool = Field(default=False, description="fetch https:// URLs among the input images")
    insecure: bool = Field(default=False, description="http:// ones too")
    private: bool = Field(
        default=False, description="also from addresses that are not public: for trusted callers only"
    )
    seconds: float = Field(default=10.0, gt=0, description="for one image, from the first byte asked to the last")


class FilterSettings(BaseModel):
    """What must not be drawn. The default filter reads prompts only; no picture is looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    words: str | None = Field(
        default=None, description="file of words, phrases and /expressions/, one a line, that no prompt may hold"
    )
    module: str | None = Field(
        default=None, description="a filter of one's own: a module with open_filter() -> ports.ContentFilter"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a service that listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
