"""The `gemini` backend against a server of generateContent: parts in and out, shapes, refusals, waits, costs."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from interleavethinker.errors import BadSettings, ContentRefused, DrawFailed, Unavailable
from interleavethinker.types import ImageJob, Size
from services.generator_service.backends import open_backend
from services.generator_service.backends.base import Backend, Tally, tally
from services.generator_service.backends.gemini import shape_of
from services.generator_service.hosted.settings import HostedSettings
from services.generator_service.settings import GeneratorSettings
from tests.servers.gemini_server import GeminiServer, answer, error, slow_down

KEY = "AIzaSyTest0123456789"
JOB = ImageJob(prompt="a red cat", seed=2**31 + 5)
RED, BLUE = (Image.new("RGB", (40, 20), colour) for colour in ("red", "blue"))
TEXT = [{"text": "I can describe a cat instead."}]


@pytest.fixture(scope="module")
def serving() -> Iterator[GeminiServer]:
    with GeminiServer(key=KEY).serving() as serving:
        yield serving


@pytest.fixture
def server(serving: GeminiServer) -> GeminiServer:
    """As new for each test."""
    serving.reset()
    return serving


def backend_of(server: GeminiServer, *, call: Any = None, **hosted: Any) -> Backend:
    values = {"base_url": server.url, "api_key": KEY, "first_pause": 0.01, "price": {"image": 0.039}} | hosted
    settings = HostedSettings.model_validate(values)
    return open_backend(GeneratorSettings(backend="gemini", model=server.model, call=call or {}, hosted=settings))


def go_on(step: int, of: int) -> None:
    """Nobody cancels."""


def drawn(backend: Backend, job: ImageJob = JOB, *references: Image.Image) -> tuple[Image.Image, Tally]:
    counted = Tally()
    tally.set(counted)
    return backend.draw(job, references, go_on), counted


def failed(backend: Backend, kind: type[Exception], match: str) -> tuple[Any, Tally]:
    counted = Tally()
    tally.set(counted)
    with pytest.raises(kind, match=match) as raised:
        backend.draw(JOB, (), go_on)
    assert KEY not in str(raised.value)
    return raised.value, counted


def picture_part(size: tuple[int, int] = (8, 8), kind: str = "image/png", colour: str = "green") -> dict[str, Any]:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(out.getvalue()).decode()}}


def test_a_picture_comes_out_of_the_parts_and_thoughts_are_passed_by(server: GeminiServer):
    picture, counted = drawn(backend_of(server))
    assert (picture.size, picture.mode) == ((96, 96), "RGB")
    assert server.asked[0] == {
        "contents": [{"role": "user", "parts": [{"text": "a red cat"}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "seed": 5},
    }
    assert server.headers[0]["x-goog-api-key"] == KEY
    assert counted.calls == {"answered": 1}
    assert counted.cost is not None and counted.cost.amount == 0.039
    assert counted.reported == "version gemini-test-image-002, id resp-1"


def test_references_come_before_the_prompt_in_their_order(server: GeminiServer):
    drawn(backend_of(server), JOB, RED, BLUE)
    *pictures, text = server.asked[0]["contents"][0]["parts"]
    assert text == {"text": "a red cat"}
    shown = [
        Image.open(io.BytesIO(base64.b64decode(each["inline_data"]["data"]))).getpixel((0, 0)) for each in pictures
    ]
    assert shown == [(255, 0, 0), (0, 0, 255)]
    with pytest.raises(DrawFailed, match="looks at 14 pictures at most"):
        drawn(backend_of(server), JOB, *[RED] * 15)


def test_a_size_is_asked_for_as_a_shape_and_given_as_a_size(server: GeminiServer):
    job = ImageJob(prompt="a red cat", seed=1, size=Size(width=640, height=360))
    picture, _ = drawn(
        backend_of(server, call={"generationConfig": {"imageConfig": {"imageSize": "2K"}, "seed": None}}), job
    )
    assert picture.size == (640, 360)
    assert server.asked[0]["generationConfig"] == {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
    }


@pytest.mark.parametrize(
    ("size", "shape"),
    [((512, 512), "1:1"), ((1024, 1536), "2:3"), ((1200, 900), "4:3"), ((1080, 1920), "9:16"), ((4000, 500), "21:9")],
)
def test_shapes(size: tuple[int, int], shape: str):
    assert shape_of(Size(width=size[0], height=size[1])) == shape


def test_of_several_pictures_the_last_counts_and_all_are_billed(server: GeminiServer):
    server.tricks = [answer([picture_part(colour="red"), {"text": "or rather"}, picture_part((9, 9), colour="blue")])]
    picture, counted = drawn(backend_of(server))
    assert picture.size == (9, 9)
    assert counted.cost is not None and counted.cost.amount == pytest.approx(0.078)


def test_tokens_are_billed_where_prices_say_so(server: GeminiServer):
    prices = {"image": 0, "input_million": 1, "output_million": 30, "currency": "EUR"}
    cost = drawn(backend_of(server, price=prices))[1].cost
    assert cost is not None
    assert (cost.amount, cost.currency, cost.calls) == (pytest.approx((20 * 1 + 1300 * 30) / 1e6), "EUR", 1)


@pytest.mark.parametrize(
    "trick",
    [
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 8}},
        answer([], reason="IMAGE_SAFETY"),
        {"candidates": [{"finishReason": "SAFETY"}]},
        {"candidates": [{"finishReason": "IMAGE_RECITATION", "finishMessage": "too like another"}]},
    ],
)
def test_refused_content_is_not_asked_for_again(server: GeminiServer, trick: Any):
    server.tricks = [trick]
    raised, counted = failed(backend_of(server), ContentRefused, "refuses to draw this: [A-Z_]+")
    assert (raised.code, raised.retryable) == ("content_refused", False)
    assert counted.calls.total() == len(server.asked) == 1


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        (answer(TEXT), "I can describe a cat instead"),
        (answer([], reason="NO_IMAGE"), "NO_IMAGE"),
        (answer([picture_part() | {"thought": True}], reason="MAX_TOKENS"), "MAX_TOKENS"),
        ({"candidates": []}, "no picture"),
        ({}, "no picture"),
        (answer([picture_part(kind="video/mp4")]), "video/mp4 in place of a picture"),
        (answer([{"inlineData": {"mimeType": "image/png", "data": "%%"}}]), "no base64"),
        (answer([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]), "no readable"),
    ],
)
def test_an_answer_without_a_picture_is_asked_for_again_a_few_times(server: GeminiServer, trick: Any, words: str):
    server.tricks = [trick]
    picture, counted = drawn(backend_of(server))
    assert picture.size == (96, 96)
    assert counted.calls.total() == 2
    assert [asked["generationConfig"]["seed"] for asked in server.asked] == [5, 6]
    server.tricks = [trick] * 3
    raised, _ = failed(backend_of(server), DrawFailed, f"asked 3 times and gave no usable picture.*{words}")
    assert not raised.retryable


def test_a_busy_server_says_when_in_the_body(server: GeminiServer):
    server.tricks = [slow_down("0.3s")]
    began = time.monotonic()
    _, counted = drawn(backend_of(server))
    assert time.monotonic() - began >= 0.3
    assert counted.calls == {"failed": 1, "answered": 1}
    server.tricks = [slow_down("600s")]
    raised, _ = failed(backend_of(server), Unavailable, "asked too much at once")
    assert raised.extra["retry_after"] == 600


def test_a_daily_quota_is_not_waited_for(server: GeminiServer):
    server.tricks = [slow_down("1s", quota="GenerateRequestsPerDayPerProjectPerModel-FreeTier")]
    raised, _ = failed(backend_of(server), DrawFailed, "is spent")
    assert not raised.retryable


def test_failures(server: GeminiServer):
    server.tricks = [error(503, "The model is overloaded.", "UNAVAILABLE"), error(500, "internal", "INTERNAL")]
    assert drawn(backend_of(server))[1].calls == {"failed": 2, "answered": 1}
    server.tricks = ["hang"]
    raised, counted = failed(backend_of(server, seconds=0.3), DrawFailed, "may have been billed")
    assert raised.retryable and counted.calls == {"lost": 1}
    failed(backend_of(server, takes=[], call={"oddity": 1}), DrawFailed, 'Unknown name "oddity"')


def test_setup_says_what_is_wrong(server: GeminiServer):
    assert backend_of(server).setup().model.startswith("gemini-test-image@127.0.0.1:")
    wrong = "AIzaSyWrong987654321"
    with pytest.raises(BadSettings, match="refuses the key") as raised:
        backend_of(server, api_key=wrong).setup()
    assert wrong not in str(raised.value)
    told, _ = failed(backend_of(server, api_key=wrong), DrawFailed, r"API key not valid: \*\*\*")
    assert wrong not in told.detail
    server.model = "another"
    settings = GeneratorSettings(
        backend="gemini", model="mine", hosted=HostedSettings(base_url=server.url, api_key=KEY)
    )
    with pytest.raises(BadSettings, match=r"has no generator\.model 'mine'"):
        open_backend(settings).setup()
