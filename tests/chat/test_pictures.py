"""What a `vllm serve` is told so that it need not compute twice: images by name, a run's replica, a warm start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interleavethinker import http
from interleavethinker.chat.openai import OpenAIChat
from interleavethinker.codec import CriticCodec, ImagePart, Message, TextPart, load_pack
from interleavethinker.codec.images import blank
from interleavethinker.errors import BadRequest
from tests.scripted import ScriptedChat
from tests.servers.openai_server import OpenAIServer

ONE, TWO = blank(32, 32), blank(48, 32)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(ScriptedChat("one two three", width=4)).serving() as serving:
        yield serving


def asking(*images: bytes) -> list[Message[bytes]]:
    return [Message[bytes]("user", (*(ImagePart(image) for image in images), TextPart("which?")))]


async def said(chat: OpenAIChat, *images: bytes) -> str:
    return "".join([token.text async for token in chat.stream(asking(*images), max_tokens=50)])


def images_of(body: dict) -> list[dict]:
    return [part for part in body["messages"][-1]["content"] if part["type"] == "image_url"]


async def test_names_are_of_the_content_and_of_the_tenant(server: OpenAIServer):
    chat = OpenAIChat("scripted", base_url=server.url, image_names="named")
    await said(chat, ONE, TWO)
    await said(chat, TWO)
    http.tenant.set("another")
    await said(chat, TWO)
    (one, two), (again,), (theirs,) = map(images_of, server.asked)
    assert one["uuid"] != two["uuid"] == again["uuid"] != theirs["uuid"]
    assert all(each["image_url"] for each in (one, two, again, theirs))
    await chat.close()


async def test_an_image_is_sent_once_and_again_where_the_server_misses_it(server: OpenAIServer):
    chat = OpenAIChat("scripted", base_url=server.url, image_names="once", retries=0)
    await said(chat, ONE)
    await said(chat, ONE, TWO)
    assert [bool(each["image_url"]) for each in images_of(server.asked[1])] == [False, True]
    server.cached.clear()
    server.asked.clear()
    assert await said(chat, ONE, TWO) == "one two three"
    first, second = map(images_of, server.asked)
    assert not any(each["image_url"] for each in first) and all(each["image_url"] for each in second)
    await said(chat, ONE)
    assert images_of(server.asked[-1])[0]["image_url"] is None
    await chat.close()


async def test_a_refusal_of_what_was_sent_whole_is_not_asked_twice(server: OpenAIServer):
    chat = OpenAIChat("scripted", base_url=server.url, image_names="once", retries=0)
    server.failures = [400]
    with pytest.raises(BadRequest):
        await said(chat, ONE)
    assert len(server.asked) == 1
    await chat.close()


async def test_other_servers_are_sent_no_names(server: OpenAIServer):
    server.flavour = "plain"
    chat = OpenAIChat("scripted", base_url=server.url, flavour="plain", image_names="once")
    await said(chat, ONE)
    assert "uuid" not in images_of(server.asked[0])[0]
    await chat.close()


async def test_a_runs_questions_bear_one_key_that_names_nobody(server: OpenAIServer):
    chat = OpenAIChat("scripted", base_url=server.url, session_header="X-Session-Id")
    await said(chat)
    for run in ("run_1", "run_1", "run_2"):
        http.run_id.set(run)
        await said(chat)
    keys = [each.get("x-session-id") for each in server.headers]
    assert keys[0] is None and keys[1] == keys[2] != keys[3]
    assert "run" not in (keys[1] or "")
    await chat.close()


async def test_it_is_ready_only_after_a_first_answer(server: OpenAIServer):
    chat = OpenAIChat("scripted", base_url=server.url, warm_up=True, retries=0)
    server.failures = [500]
    assert await chat.ready() != []
    assert await chat.ready() == []
    assert server.asked[-1]["logprobs"] is True and server.asked[-1]["max_tokens"] == 1
    count = len(server.asked)
    assert await chat.ready() == [] and len(server.asked) == count
    await chat.close()


@pytest.mark.parametrize("pack", ["standard", "compact"])
def test_attempts_at_a_step_begin_with_the_same_words_and_picture(pack: str):
    """vLLM's prefix cache holds from the first token on: what differs between attempts must come late."""
    codec = CriticCodec(load_pack(pack))
    first, second = (codec.messages("draw a hat", prompt, ONE, after) for prompt, after in (("a", TWO), ("b", ONE)))
    parts = [[part for message in messages for part in message.parts] for messages in (first, second)]
    same = next(place for place, (a, b) in enumerate(zip(*parts, strict=True)) if a != b)
    assert parts[0][same] == ImagePart(TWO) and ImagePart(ONE) in parts[0][:same]
