"""Calls to URLs that others name (callers: webhooks, pictures; image servers: where a drawing lies), so that they
cannot be pointed at our own network.

A host is resolved once; every address it has must be a public one, and the connection goes to just that address, so
a name that resolves differently a moment later gains nothing. Redirects are not followed, proxies and `.netrc` of the
environment are not asked. The certificate is checked against the host's name as always.

Deliberately not here: limits on what is read (the caller streams and counts), and retries.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx2

from interleavethinker.errors import BadRequest, InterleaveError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host as text. Raises OSError when it has none."""

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64: an IPv4 address in the last four bytes."""


class RefusedUrl(BadRequest):
    """A URL that must not be called from here; the detail says why."""

    code = "url_refused"


class Unresolved(InterleaveError):
    """The URL's host has no address now; it may have one later."""

    code = "url_unresolved"
    status = 422
    retryable = True


async def system_resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def check_url(url: str, *, private: bool = False) -> httpx2.URL:
    """The URL, if its form is one that may be called. Raises RefusedUrl. Asks no name server: a host's addresses are
    checked when it is called (`pinned_address`), but an address that is written out is checked here."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise RefusedUrl(f"{url[:200]!r} is no URL ({error})") from error
    if parsed.scheme not in ("https", "http") or not parsed.host or not 0 < (parsed.port or 80) < 65_536:
        raise RefusedUrl(f"{url[:200]!r}: write an absolute https:// or http:// URL")
    if parsed.userinfo:
        raise RefusedUrl("a URL with a user or a password in it is not called; leave them out")
    try:
        literal = str(ip_address(parsed.host))
    except ValueError:
        return parsed
    _allow(literal, parsed.host, private)
    return parsed


async def pinned_address(url: httpx2.URL, *, private: bool = False, resolve: Resolve = system_resolve) -> str:
    """The one address to connect to for this URL. Raises RefusedUrl when any address of its host is not public
    (unless `private`), Unresolved when it has none."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        addresses = await resolve(url.host, port)
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"the host {url.host!r} cannot be resolved") from error
    if not addresses:
        raise Unresolved(f"the host {url.host!r} has no address")
    for address in addresses:
        _allow(address, url.host, private)
    return addresses[0]


class PinnedTransport(httpx2.AsyncBaseTransport):
    """Sends each request to the checked address of its host."""

    def __init__(self, *, private: bool = False, resolve: Resolve = system_resolve) -> None:
        self._private, self._resolve = private, resolve
        # A connection is never kept: two names may share an address, and must not share what TLS has checked.
        limits = httpx2.Limits(max_connections=100, max_keepalive_connections=0)
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = check_url(str(request.url), private=self._private)
        address = await pinned_address(url, private=self._private, resolve=self._resolve)
        # The Host header was made from the name already, and TLS is told of it here.
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def outbound_client(
    *, private: bool = False, seconds: float = 10.0, resolve: Resolve = system_resolve
) -> httpx2.AsyncClient:
    """A client for such URLs. `private` lets it reach our own network too (for tests, and where the setting says
    so)."""
    transport = PinnedTransport(private=private, resolve=resolve)
    return httpx2.AsyncClient(transport=transport, timeout=seconds, follow_redirects=False, trust_env=False)


def _allow(text: str, host: str, private: bool) -> None:
    if not private and not _public(ip_address(text.partition("%")[0])):
        raise RefusedUrl(f"the host {host!r} has the address {text}, which is not a public one")


def _public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is one of the public internet, also when it is an IPv4 address in IPv6 clothes."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner:
            return _public(inner)
    return address.is_global and not address.is_multicast
