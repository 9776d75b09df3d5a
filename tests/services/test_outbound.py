"""URLs that callers name never lead into our own network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest

from interleavethinker.outbound import RefusedUrl, Unresolved, check_url, outbound_client, pinned_address

PUBLIC = "93.184.216.34"


def names(**known: list[str]):
    """A name server that knows these hosts (`_` stands for a dot)."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return known.get(host.replace(".", "_"), [])

    resolve.asked = asked  # type: ignore[attr-defined]
    return resolve


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "gopher://example.org", "//example.org", "example.org", "", "http://",
        "https://user:word@example.org/", "http://[::1", "http://example.org:99999/", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_only_plain_absolute_web_urls_are_called(url: str):
    with pytest.raises(RefusedUrl):
        check_url(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.0.9", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.1.2.3", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%eth0",
    ],
)  # fmt: skip
async def test_addresses_that_are_not_public_are_refused(address: str):
    url = check_url("https://hooks.example/in")
    resolve = names(hooks_example=[PUBLIC, address])
    with pytest.raises(RefusedUrl, match="not a public one"):
        await pinned_address(url, resolve=resolve)
    assert await pinned_address(url, private=True, resolve=resolve) == PUBLIC
    if "%" not in address:
        literal = f"[{address}]" if ":" in address else address
        with pytest.raises(RefusedUrl):
            check_url(f"http://{literal}/")


async def test_odd_spellings_of_loopback_do_not_pass():
    """Name servers and the system read these as 127.0.0.1; whatever they say is what is checked."""
    for host in ("127.1", "2130706433", "0x7f000001", "localhost"):
        with pytest.raises((RefusedUrl, Unresolved)):
            await pinned_address(check_url(f"http://{host}/"))


async def test_a_host_without_an_address_may_have_one_later():
    with pytest.raises(Unresolved) as raised:
        await pinned_address(check_url("https://nobody.example/"), resolve=names())
    assert raised.value.retryable


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, list[str]]]:
    """Answers every request with a redirect to itself, and keeps what it was sent."""
    heard: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as serving:
        yield serving.sockets[0].getsockname()[1], heard


async def test_it_connects_to_the_address_it_checked_and_follows_no_redirect(server: tuple[int, list[str]]):
    port, heard = server
    resolve = names(hooks_example=["127.0.0.1"])
    async with outbound_client(private=True, resolve=resolve) as client:
        response = await client.get(f"http://hooks.example:{port}/in?x=1")
    assert response.status_code == 302 and len(heard) == 1
    assert heard[0].startswith("GET /in?x=1 ") and f"host: hooks.example:{port}" in heard[0].lower()
    assert resolve.asked == ["hooks.example"]


async def test_nothing_is_sent_to_a_private_address(server: tuple[int, list[str]]):
    port, heard = server
    async with outbound_client(resolve=names(hooks_example=["127.0.0.1"])) as client:
        for url in (f"http://hooks.example:{port}/", f"http://127.0.0.1:{port}/"):
            with pytest.raises(RefusedUrl):
                await client.get(url)
    assert heard == []


def test_urls_keep_what_they_say():
    assert check_url("https://hooks.example/in?run=1") == httpx2.URL("https://hooks.example/in?run=1")
