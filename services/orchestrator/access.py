"""Who calls, and what it may do: a tenant and scopes for every request, found before anything of its body is read.

`Gate` stands before the routes: it answers 401, 403 and 429 and names the tenant (`http.tenant`). `own_run` stands at
every route with a run in its path: another tenant's run is as unknown as one that never was. Deliberately not here: how
keys are kept (`keys`), tokens of an issuer (`tokens`), signed links (`links`), counting (`rates`).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interleavethinker import http
from interleavethinker.errors import Forbidden, InterleaveError, NotFound, Unauthenticated
from services import reference
from services.anatomy import OPEN_PATHS, problem_response
from services.orchestrator.links import Signer
from services.orchestrator.page_files import is_page
from services.orchestrator.rates import Rates
from services.orchestrator.shares import Share, Shares

_LONGEST_ID = 40
SHARED = re.compile(
    r"/share|/formats|/interleave/(?P<run>\w{1,40})"
    r"(/events|/images/[0-9a-f]{64}|/steps/\d+/attempts/\d+/preview|/trace|/export)?",
    re.ASCII,
)
"""What opens with a share link, of the run that it is of."""
READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Permission(StrEnum):
    """What a key may do. `admin` may do everything that its tenant's other keys may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class Caller(NamedTuple):
    """Who calls. `tenant` None: there are no tenants here (`auth: off`). `name` is for the log, never a secret.

    `linked`: no key, but a signed link to one picture, whose run may be anyone's, or the `share` link of a run.
    """

    tenant: str | None
    permissions: frozenset[Permission]
    name: str = ""
    linked: bool = False
    share: Share | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions or Permission.ADMIN in self.permissions


ANYBODY = Caller(None, frozenset(Permission), "anybody")
"""Whoever reaches the service, where `auth` is off."""


class Door(Protocol):
    """Something that knows callers by what they bear."""

    async def caller(self, bearer: str) -> Caller | None:
        """Who bears this; None where it is of another kind than this door knows. Raises Unauthenticated for one of its
        kind that is not, or no longer, good."""
        ...


def is_open(path: str) -> bool:
    """Whether a path holds nothing of anyone's, so that no key is asked for."""
    return path in OPEN_PATHS | reference.PATHS or is_page(path)


class Gate:
    """ASGI middleware. No doors: everybody is let in as `ANYBODY`."""

    def __init__(
        self, app: ASGIApp, doors: tuple[Door, ...], signer: Signer | None, rates: Rates, shares: Shares
    ) -> None:
        self.app, self._doors, self._signer, self._rates, self._shares = app, doors, signer, rates, shares

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_open(scope["path"]):
            try:
                caller = await self._caller(Request(scope))
                if scope["method"] == "POST":
                    await self._rates.start_run(caller.tenant)
            except InterleaveError as error:
                await problem_response(error)(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
            http.tenant.set(caller.tenant)
            if caller.linked:
                send = _telling_nobody(send)
        await self.app(scope, receive, send)

    async def _caller(self, request: Request) -> Caller:
        if token := _share_token(request):
            return await self._reader(token, request)
        if not self._doors:
            return ANYBODY
        if self._signer and self._signer.opens(request.method, request.url.path, request.query_params):
            return Caller(None, frozenset({Permission.READ}), "a signed link", linked=True)
        caller = await self._bearer(request)
        needed = Permission.READ if request.method in READS else Permission.WRITE
        if not caller.may(needed):
            raise Forbidden(f"this key may not {needed}; ask for one with the scope {needed!r}", needed=needed)
        return caller

    async def _reader(self, token: str, request: Request) -> Caller:
        """Who bears a share link's token, whatever else guards this service: it opens its run for reading only."""
        share = await self._shares.opened(token)
        if share is None:
            raise Unauthenticated("this share link is not known here: it was revoked, is over, or never was")
        found = SHARED.fullmatch(request.url.path)
        if request.method not in ("GET", "HEAD") or not found or found["run"] not in (None, share.run_id):
            raise Forbidden("a share link opens one document for reading, and nothing else")
        return Caller(None, frozenset({Permission.READ}), "a share link", linked=True, share=share)

    async def _bearer(self, request: Request) -> Caller:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            raise Unauthenticated("send your key in the header Authorization: Bearer <key>")
        for door in self._doors:
            if caller := await door.caller(bearer.strip()):
                return caller
        raise Unauthenticated("this is no key or token that is known here")


def _telling_nobody(send: Send) -> Send:
    """With word to browsers that no other server shall hear of this address: it opens something by itself."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"referrer-policy", b"no-referrer")]
        await send(message)

    return told


def _share_token(request: Request) -> str | None:
    """The share link's token, where one is sent; a header of any kind stands above the query."""
    said = request.headers.get("authorization")
    if said is None:
        return request.query_params.get("share")
    scheme, _, token = said.partition(" ")
    return token.strip() if scheme.lower() == "share" else None


def listed_tenant(request: Request, tenant: str | None) -> str | None:
    """Whose runs are listed: the caller's own, or another tenant's for an administrator. Raises Forbidden."""
    caller: Caller = request.state.caller
    if tenant is None or tenant == caller.tenant:
        return caller.tenant
    if not caller.may(Permission.ADMIN):
        raise Forbidden("only a key with the scope 'admin' may list another tenant's runs", needed=Permission.ADMIN)
    return tenant


BEARER: Any = Security(HTTPBearer(auto_error=False, description="an API key, or a token of the issuer"))
"""A dependency that only tells the OpenAPI document of keys: the gate has read them already."""


async def own_run(request: Request) -> None:
    """A dependency of all routes: the run in the path, if there is one, is the caller's. Raises NotFound."""
    run_id = request.path_params.get("run_id")
    if run_id is not None:
        await own(request, run_id, f"there is no run {run_id[:_LONGEST_ID]!r}")


async def own(request: Request, run_id: str, unknown: str) -> None:
    """The run is the caller's. Raises NotFound, with these words."""
    caller: Caller = request.state.caller
    try:
        owner = await request.app.state.house.journal.owner(run_id[:_LONGEST_ID].replace("\0", "?"))
        if caller.linked:
            http.tenant.set(owner)
        elif owner != caller.tenant:
            raise NotFound(run_id)
    except NotFound:
        said = {"cancel": "unknown"} if request.method == "DELETE" else {}
        raise NotFound(unknown, **said) from None
