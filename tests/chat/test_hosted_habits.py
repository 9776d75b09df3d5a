"""Hosted language models, each with the habits of its owner's endpoint: what they refuse is left out, how they end is
understood, what they cost is counted, and no key is ever repeated."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from PIL import Image
from prometheus_client import REGISTRY

from interleavethinker.chat import ChatSettings, Token, open_chat
from interleavethinker.chat.habits import in_bytes
from interleavethinker.chat.openai import OpenAIChat
from interleavethinker.codec import ImagePart, Message, TextPart
from interleavethinker.errors import BadRequest, BadSettings, ContentRefused, InterleaveError
from tests.scripted import ScriptedChat
from tests.servers.openai_server import OpenAIServer

HI = [Message[bytes]("user", (TextPart("hi"),))]
KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(ScriptedChat("one two three", width=4), flavour="plain", key=KEY).serving() as serving:
        yield serving


@pytest.fixture
async def chat(server: OpenAIServer) -> AsyncIterator[OpenAIChat]:
    chat = hosted(server)
    yield chat
    await chat.close()


def hosted(server: OpenAIServer, **settings: Any) -> OpenAIChat:
    values = {"backend": "openai", "model": "scripted", "base_url": server.url, "api_key": KEY, "flavour": "plain"}
    chat = open_chat(ChatSettings.model_validate(values | {"retries": 1} | settings))
    assert isinstance(chat, OpenAIChat)
    return chat


async def said(chat: OpenAIChat, messages: list[Message[bytes]] = HI) -> list[Token]:
    return [token async for token in chat.stream(messages, max_tokens=50)]


def text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"model": "scripted", **labels}) or 0.0


@pytest.mark.parametrize(
    ("habits", "lessons", "sent"),
    [
        ("reasoning", 3, {"max_completion_tokens", "seed", "stream_options"}),
        ("google", 2, {"max_tokens", "temperature", "stream_options"}),
        ("anthropic", 0, {"max_tokens", "temperature", "seed", "logprobs", "stream_options"}),
    ],
)
async def test_what_a_service_refuses_is_left_out_from_then_on(
    server: OpenAIServer, chat: OpenAIChat, habits: str, lessons: int, sent: set[str]
):
    server.habits = habits
    tokens = await said(chat)
    assert text(tokens) == "one two three"
    assert {token.logprob for token in tokens} == {None}  # an accept is then taken at its word
    assert len(server.asked) == 1 + lessons
    assert set(server.asked[-1]) == {"model", "messages", "stream"} | sent
    await said(chat)
    assert len(server.asked) == 2 + lessons
    assert await chat.ready() == []


async def test_a_vllm_that_refuses_a_field_is_not_bent(server: OpenAIServer):
    server.habits = "reasoning"
    chat = hosted(server, flavour="vllm")
    with pytest.raises(BadRequest, match="max_completion_tokens"):
        await said(chat)
    await chat.close()


async def test_tokens_and_cost_are_counted(server: OpenAIServer):
    chat = hosted(server, price={"input_million": 2, "output_million": 8, "currency": "CHF"})
    before = counted("interleavethinker_chat_tokens_total", kind="output")
    await said(chat)
    assert counted("interleavethinker_chat_tokens_total", kind="output") - before == 4
    assert counted("interleavethinker_chat_cost_total", currency="CHF") == pytest.approx((1000 * 2 + 4 * 8) / 1e6)
    async for _ in chat.stream(HI, max_tokens=50):
        break
    await chat.close()


async def test_a_refusal_is_told_as_one(server: OpenAIServer, chat: OpenAIChat):
    server.chat = ScriptedChat("")
    server.refusal = "I cannot help with that."
    with pytest.raises(ContentRefused, match="refuses to answer this: I cannot help with that") as refused:
        await said(chat)
    assert not refused.value.retryable
    server.refusal, server.finish = None, "content_filter"
    with pytest.raises(ContentRefused, match="its content filter"):
        await said(chat)
    server.failures = [400]
    server.error_body = {"error": {"message": "flagged", "code": "content_filter", "param": "prompt"}}
    with pytest.raises(ContentRefused, match="flagged"):
        await said(chat)


async def test_an_answer_that_was_spent_on_reasoning(server: OpenAIServer, chat: OpenAIChat):
    server.finish = "length"
    assert text(await said(chat)) == "one two three"
    server.chat = ScriptedChat("")
    with pytest.raises(BadSettings, match="spent max_tokens = 50 before it said anything"):
        await said(chat)


async def test_a_spent_account_is_not_waited_for(server: OpenAIServer, chat: OpenAIChat):
    server.failures = [429] * 2
    server.error_body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    with pytest.raises(BadSettings, match="look at its billing page"):
        await said(chat)


async def test_who_pays_is_said_in_headers(server: OpenAIServer):
    chat = hosted(server, organization="org-1", project="proj-2", headers={"X-Title": "pictures"})
    await said(chat)
    await chat.close()
    sent = server.headers[0]
    assert (sent["openai-organization"], sent["openai-project"], sent["x-title"]) == ("org-1", "proj-2", "pictures")


async def test_a_hosted_service_is_not_asked_by_every_probe(server: OpenAIServer, chat: OpenAIChat):
    assert await chat.ready() == []
    server.key = "another"
    assert await chat.ready() == []
    unlisted = hosted(server, listed=False)
    assert await unlisted.ready() == []
    await unlisted.close()


async def test_a_key_is_never_repeated(server: OpenAIServer):
    wrong, relay = "sk-live-ABCDEFGHIJKLMNOP", "relay-secret-1234"
    chat = hosted(server, api_key=wrong, headers={"X-Relay": relay})
    server.failures = [400]
    server.error_body = {"error": {"message": f"{wrong} may not, nor {relay}"}}
    server.key = wrong
    told: list[str] = []
    for error in (BadRequest, BadSettings):
        with pytest.raises(error) as raised:
            await said(chat)
        told.append(f"{raised.value}{raised.value.extra if isinstance(raised.value, InterleaveError) else ''}")
        server.key, server.error_body = KEY, None
    told += await chat.ready()
    told.append(repr(ChatSettings(model="m", api_key=wrong, headers={"X-Relay": relay})))  # type: ignore[arg-type]
    await chat.close()
    assert "may not" in told[0]
    assert not [secret for secret in (wrong, relay, KEY) if secret in "".join(told)]


def test_large_images_become_jpeg():
    noise = Image.effect_noise((400, 400), 90)
    out = io.BytesIO()
    noise.save(out, "PNG")
    png = out.getvalue()
    assert in_bytes(png, None) == in_bytes(png, len(png)) == png
    smaller = in_bytes(png, 60_000)
    assert smaller.startswith(b"\xff\xd8") and len(smaller) <= 60_000


async def test_an_image_is_sent_as_what_it_became(server: OpenAIServer):
    out = io.BytesIO()
    Image.effect_noise((200, 200), 90).save(out, "PNG")
    chat = hosted(server, image_bytes=30_000)
    await said(chat, [Message("user", (ImagePart(out.getvalue()), TextPart("what is it?")))])
    await chat.close()
    assert server.asked[0]["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/jpeg;base64,")
