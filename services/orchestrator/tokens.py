"""Tokens of an OpenID Connect issuer (JWTs): checked by its published keys, its claims read as tenant and permissions.

The issuer's keys are kept for a while, and looked up anew, though not often, when a token names one that is not among
them: so a change of keys needs no restart, and made-up tokens cause no calls. Deliberately not here: logging people in;
whoever shows a page does that and sends us the token.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from typing import Any

import httpx2
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from interleavethinker.errors import Unauthenticated, Unavailable
from services.orchestrator.access import Caller, Permission
from services.orchestrator.access_settings import OidcSettings

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LONGEST = 16_000
_AGAIN_SECONDS = 30.0


class Tokens:
    """Implements `access.Door`."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._http = httpx2.AsyncClient(timeout=10.0, follow_redirects=False)
        self._registry = JWSRegistry(algorithms=list(settings.algorithms))
        self._claims = jwt.JWTClaimsRegistry(
            leeway=settings.leeway_seconds,
            iss={"essential": True, "value": settings.issuer or ""},
            aud={"essential": True, "value": settings.audience or ""},
            exp={"essential": True},
        )
        self._keys: KeySet | None = None
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def close(self) -> None:
        await self._http.aclose()

    async def caller(self, bearer: str) -> Caller | None:
        """Implements `access.Door`. Raises Unavailable while the issuer's keys cannot be had."""
        if bearer.count(".") != 2 or len(bearer) > _LONGEST:
            return None
        try:
            claims = await self._read(bearer)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            # The kind says what to look at (ExpiredTokenError); the message might quote the token.
            raise Unauthenticated(f"this token is not good here: {type(error).__name__}") from error
        return Caller(self._tenant(claims), self._permissions(claims), "a token of the issuer")

    async def _read(self, bearer: str) -> dict[str, Any]:
        try:
            token = jwt.decode(bearer, await self._current(), registry=self._registry)
        except InvalidKeyIdError:
            token = jwt.decode(bearer, await self._current(at_most=_AGAIN_SECONDS), registry=self._registry)
        self._claims.validate(token.claims)
        return token.claims

    async def _current(self, at_most: float | None = None) -> KeySet:
        """The issuer's keys, not older than `at_most` seconds. Old ones are better than none."""
        async with self._looking:
            age = time.monotonic() - self._looked_at
            if self._keys is None or age > (at_most or self._settings.keys_seconds):
                try:
                    self._keys = await self._fetch()
                    self._looked_at = time.monotonic()
                except (httpx2.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
                    if self._keys is None:
                        raise Unavailable(f"the keys of the issuer {self._settings.issuer} cannot be had") from error
            return self._keys

    async def _fetch(self) -> KeySet:
        url = self._settings.jwks_url
        if url is None:
            issuer = str(self._settings.issuer)
            said = await self._json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if said["issuer"] != issuer:
                raise ValueError("the configuration is another issuer's")
            url = str(said["jwks_uri"])
        return KeySet.import_key_set(await self._json(url))

    async def _json(self, url: str) -> Any:
        response = await self._http.get(url)
        response.raise_for_status()
        return response.json()

    def _tenant(self, claims: dict[str, Any]) -> str:
        """The claim where it can stand in paths and headers, else a name made of its digest. Such a one begins with a
        tilde, which no other may, so that nobody can be named like it."""
        said = claims.get(self._settings.tenant_claim)
        if not isinstance(said, str) or not said:
            raise Unauthenticated(f"the token has no claim {self._settings.tenant_claim!r}, which names the tenant")
        return said if _TENANT.fullmatch(said) else "~" + hashlib.sha256(said.encode()).hexdigest()[:40]

    def _permissions(self, claims: dict[str, Any]) -> frozenset[Permission]:
        said = claims.get(self._settings.scopes_claim, ())
        words = said.split() if isinstance(said, str) else said if isinstance(said, list | tuple) else ()
        return frozenset(each for each in Permission if self._settings.scope_prefix + each in words)
