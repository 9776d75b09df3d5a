"""Webhooks over real sockets: signed, at least once, through crashes, given up with a reason."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import httpx2
import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from interleavethinker.blobs import DirectoryBlobs
from services.orchestrator.settings import OrchestratorSettings
from tests.doors import House
from tests.services.test_editing_api import made, problem

SECRET = "whsec_" + base64.b64encode(b"a secret of 32 bytes for testing").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret of thirty-two ...").decode()
QUICK = {"secret": SECRET, "private": True, "first_wait": 0.05, "look_seconds": 0.02, "answer_seconds": 1}


class Message(NamedTuple):
    """What a receiver heard."""

    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str = SECRET) -> Any:
        return Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Answers the given statuses in turn, then 204; None: no answer at all."""

    def __init__(self, *statuses: int | None) -> None:
        self._statuses = list(statuses)
        self.heard: list[Message] = []

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/told?by=us"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        lines = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in lines}
        body = (await reader.readexactly(int(headers["content-length"]))).decode()
        self.heard.append(Message(headers, body))
        status = self._statuses.pop(0) if self._statuses else 204
        if status is not None:
            writer.write(f"HTTP/1.1 {status} So\r\nLocation: {self.url}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    async def hears(self, count: int) -> list[Message]:
        async with asyncio.timeout(300):
            while len(self.heard) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return self.heard


@pytest.fixture
async def houses(database_url: str, blobs: DirectoryBlobs) -> AsyncIterator[House]:
    opened = House(database_url, blobs)
    try:
        yield opened
    finally:
        await opened.close()


async def deliveries(client: httpx2.AsyncClient, run: str, until: Callable[[list[Any]], bool]) -> list[Any]:
    async with asyncio.timeout(300):
        while True:
            found = (await client.get(f"/interleave/{run}/deliveries")).json()["deliveries"]
            if until(found):
                return found
            await asyncio.sleep(0.02)


def settled(found: list[Any]) -> bool:
    return bool(found) and all(each["state"] != "due" for each in found)


async def test_the_events_wished_for_are_told_and_signed(houses: House):
    async with Receiver() as receiver:
        client = await houses.open("a", webhooks=QUICK)
        webhook = {"url": receiver.url, "events": ["planned", "finished"]}
        run = (await made(client, webhook=webhook))["id"]
        heard = await receiver.hears(2)
        found = await deliveries(client, run, settled)
    told = [message.verified() for message in heard]
    assert sorted(each["type"] for each in told) == ["run.finished", "run.planned"]
    finished = next(each for each in told if each["type"] == "run.finished")
    assert (finished["data"]["run_id"], finished["data"]["event"]["status"]) == (run, "succeeded")
    assert [(each["state"], each["tries"], each["next_try_at"]) for each in found] == [("delivered", 1, None)] * 2
    assert {each["id"] for each in found} == {message.id for message in heard}
    with pytest.raises(WebhookVerificationError):
        heard[0].verified(OTHER)


async def test_it_is_told_again_until_it_is_taken_with_one_id(house: House):
    async with Receiver(500, None, 302, 429) as receiver:
        client = await house.open("a", webhooks=QUICK)
        run = (await made(client, webhook={"url": receiver.url}))["id"]
        heard = await receiver.hears(5)
        (found,) = await deliveries(client, run, settled)
    assert len(heard) == 5 and len({message.id for message in heard}) == 1
    assert {json.dumps(message.verified()) for message in heard} == {json.dumps(heard[0].verified())}
    assert (found["state"], found["tries"], found["problem"]) == ("delivered", 5, None)


async def test_what_is_due_outlives_a_restart(house: House):
    async with Receiver() as receiver:
        never = QUICK | {"look_seconds": 3600}
        client = await house.open("a", webhooks=never)
        await asyncio.sleep(0.1)
        run = (await made(client, webhook={"url": receiver.url}))["id"]
        (due,) = (await client.get(f"/interleave/{run}/deliveries")).json()["deliveries"]
        assert (due["state"], receiver.heard) == ("due", [])
        await house.close()
        await house.open("a", webhooks=QUICK)
        (message,) = await receiver.hears(1)
    assert message.id == due["id"]


async def test_two_replicas_do_not_both_tell_it(houses: House):
    async with Receiver() as receiver:
        client = await houses.open("a", webhooks=QUICK)
        await houses.open("a", webhooks=QUICK)
        webhook = {"url": receiver.url, "events": ["drawn", "judged", "finished"]}
        runs = [await made(client, webhook=webhook, seed=seed) for seed in range(3)]
        for run in runs:
            await deliveries(client, run["id"], settled)
    assert len(receiver.heard) == 9 and len({message.id for message in receiver.heard}) == 9


async def test_it_is_given_up_in_the_end_and_says_why(house: House):
    async with Receiver(*[503] * 99) as receiver, Receiver(410) as gone:
        client = await house.open("a", webhooks=QUICK | {"patience": 0.3})
        first = (await made(client, webhook={"url": receiver.url}))["id"]
        second = (await made(client, webhook={"url": gone.url}, seed=1))["id"]
        (found,) = await deliveries(client, first, settled)
        (told_off,) = await deliveries(client, second, settled)
    assert found["state"] == told_off["state"] == "given_up"
    assert found["problem"].startswith("given up after") and found["problem"].endswith("the receiver answered 503")
    assert told_off["problem"] == "the receiver answered 410" and len(gone.heard) == 1


async def test_endpoints_of_the_settings_are_told_of_every_run_with_their_own_secret(house: House):
    async with Receiver() as receiver:
        endpoint = {"url": receiver.url, "secret": OTHER, "events": ["created", "finished"]}
        client = await house.open("a", webhooks=QUICK | {"secret": None, "private": False, "endpoints": [endpoint]})
        await made(client)
        heard = await receiver.hears(2)
        assert {message.verified(OTHER)["type"] for message in heard} == {"run.created", "run.finished"}
        webhook = {"url": "https://elsewhere.example/"}
        response = await client.post("/interleave", json={"prompt": "a", "webhook": webhook})
        assert "no secret to sign with" in problem(response, 422)


async def test_private_addresses_are_not_called(house: House):
    async with Receiver() as receiver:
        client = await house.open("a", webhooks=QUICK | {"private": False})
        webhook = {"url": receiver.url}
        response = await client.post("/interleave", json={"prompt": "a", "webhook": webhook})
        assert "not a public one" in problem(response, 422)
        named = receiver.url.replace("127.0.0.1", "localhost")
        run = (await made(client, webhook={"url": named}))["id"]
        (found,) = await deliveries(client, run, settled)
    assert found["state"] == "given_up" and "not a public one" in found["problem"]
    assert receiver.heard == []


@pytest.mark.parametrize(
    "webhook",
    [{}, {"url": "https://a.example", "events": ["exploded"]}, {"url": "ftp://a.example"}, {"url": "x" * 2001}],
)
async def test_webhooks_that_cannot_be(house: House, webhook: dict[str, Any]):
    client = await house.open("a", webhooks=QUICK)
    problem(await client.post("/interleave", json={"prompt": "a", "webhook": webhook}), 422)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64!"])
def test_a_weak_secret_is_refused_at_start(secret: str):
    with pytest.raises(ValidationError, match="24 to 64 random bytes"):
        OrchestratorSettings.model_validate({"webhooks": {"secret": secret}})
