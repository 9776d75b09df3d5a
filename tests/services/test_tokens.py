"""Tokens of an issuer: a real one on this machine publishes its keys, changes them, and goes away."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.errors import Unauthenticated, Unavailable
from services.orchestrator.access import Permission
from services.orchestrator.access_settings import OidcSettings
from services.orchestrator.tokens import Tokens
from tests.doors import SNOWMAN, WAIT, opened


class Issuer:
    """Publishes the keys it has; `asked` counts how often it was asked for them."""

    def __init__(self) -> None:
        self.keys = [RSAKey.generate_key(2048, {"kid": "first", "alg": "RS256", "use": "sig"})]
        self.asked = 0
        issuer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/.well-known/openid-configuration":
                    said: Any = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
                else:
                    issuer.asked += 1
                    said = {"keys": [key.as_dict(private=False) for key in issuer.keys]}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        said = {"iss": self.url, "aud": "pictures", "exp": int(time.time()) + 600, "sub": "ada"} | claims
        said = {name: value for name, value in said.items() if value is not None}
        key = key or self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": key.kid} | (header or {}), said, key, algorithms=["RS256", "HS256"])

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.close()


def forged(token: str, public: bytes) -> str:
    """The token's claims under HS256, with the issuer's public key for a secret."""

    def written(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    header = written(b'{"alg":"HS256","kid":"first"}')
    text = f"{header}.{token.split('.')[1]}"
    return f"{text}.{written(hmac.digest(public, text.encode(), 'sha256'))}"


def settings(issuer: Issuer, **how: Any) -> OidcSettings:
    return OidcSettings(issuer=issuer.url, audience="pictures", **how)


async def test_claims_become_a_caller(issuer: Issuer):
    tokens = Tokens(settings(issuer))
    caller = await tokens.caller(issuer.token(scope="openid interleave:read interleave:write"))
    assert caller and (caller.tenant, caller.permissions) == ("ada", {Permission.READ, Permission.WRITE})
    for said in ({"scope": ["interleave:read"]}, {"scope": "interleave:read", "aud": ["else", "pictures"]}):
        caller = await tokens.caller(issuer.token(**said))
        assert caller and caller.permissions == {Permission.READ}
    nothing = await tokens.caller(issuer.token())
    assert nothing and not nothing.permissions
    assert issuer.asked == 1
    assert await tokens.caller("itk_no_jwt") is None
    await tokens.close()


async def test_a_tenant_that_cannot_stand_in_paths_gets_a_name_that_nobody_can_have(issuer: Issuer):
    tokens = Tokens(settings(issuer, tenant_claim="team"))
    strange = await tokens.caller(issuer.token(team="../../auth0|x"))
    assert strange and strange.tenant and strange.tenant.startswith("~") and "/" not in strange.tenant
    mimic = await tokens.caller(issuer.token(team=strange.tenant))
    assert mimic and mimic.tenant != strange.tenant
    for missing in (None, "", 7, ["a"]):
        with pytest.raises(Unauthenticated, match="team"):
            await tokens.caller(issuer.token(team=missing))
    await tokens.close()


async def test_tokens_that_are_not_good(issuer: Issuer):
    tokens = Tokens(settings(issuer))
    stranger = RSAKey.generate_key(2048, {"kid": "first"})
    whole = issuer.token()
    bad = {
        "expired": issuer.token(exp=int(time.time()) - 3600),
        "no end": issuer.token(exp=None),
        "not yet": issuer.token(nbf=int(time.time()) + 3600),
        "another issuer": issuer.token(iss="https://example.org"),
        "another audience": issuer.token(aud="else"),
        "another's key": issuer.token(key=stranger),
        "unsigned": jwt.encode({"alg": "none"}, {"sub": "ada"}, issuer.keys[0], algorithms=["none"]),
        "signed by the public key": forged(whole, issuer.keys[0].as_pem(private=False)),
        "changed": whole[:-6] + "AAAAAA",
        "no token": "a.b.c",
        "empty": "..",
    }
    for name, token in bad.items():
        with pytest.raises(Unauthenticated):
            await tokens.caller(token)
            pytest.fail(name)
    await tokens.close()


async def test_new_keys_are_found_and_made_up_ones_cause_no_calls(issuer: Issuer):
    tokens = Tokens(settings(issuer))
    await tokens.caller(issuer.token())
    issuer.keys.append(RSAKey.generate_key(2048, {"kid": "second"}))
    with pytest.raises(Unauthenticated):  # asked a moment ago: not again so soon
        await tokens.caller(issuer.token())
    assert issuer.asked == 1
    later = Tokens(settings(issuer))
    assert await later.caller(issuer.token())
    for n in range(20):
        with pytest.raises(Unauthenticated):
            await later.caller(issuer.token(header={"kid": f"made-up-{n}"}))
    assert issuer.asked == 2
    await tokens.close()
    await later.close()


async def test_an_issuer_that_is_away(issuer: Issuer):
    tokens, patient = Tokens(settings(issuer)), Tokens(settings(issuer, keys_seconds=0.001))
    token = issuer.token()
    await patient.caller(token)
    issuer.close()
    with pytest.raises(Unavailable):
        await tokens.caller(token)
    assert await patient.caller(token)
    await tokens.close()
    await patient.close()


async def test_a_token_opens_the_door(issuer: Issuer, tmp_path: Path, blobs: DirectoryBlobs):
    async with opened(tmp_path, blobs, auth="oidc", oidc=settings(issuer)) as (_, client):
        ada = {"Authorization": f"Bearer {issuer.token(scope='interleave:read interleave:write')}"}
        bob = {"Authorization": f"Bearer {issuer.token(sub='bob', scope='interleave:read')}"}
        made = await client.post("/interleave", json=SNOWMAN, headers=ada | WAIT)
        assert made.status_code == 200
        assert (await client.get(f"/interleave/{made.json()['id']}", headers=ada)).status_code == 200
        assert (await client.get(f"/interleave/{made.json()['id']}", headers=bob)).status_code == 404
        assert (await client.post("/interleave", json=SNOWMAN, headers=bob)).status_code == 403
        assert (await client.get("/interleave")).status_code == 401
