"""The `openai_images` backend against a server of that protocol: what goes over the wire, what comes back, what it
costs, and every way in which a server can fail."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
from PIL import Image

from interleavethinker.errors import BadSettings, ContentRefused, DrawFailed, Unavailable
from interleavethinker.types import ImageJob, Size
from services.generator_service.backends import open_backend
from services.generator_service.backends.base import Backend, Tally, tally
from services.generator_service.hosted.settings import HostedSettings
from services.generator_service.settings import GeneratorSettings
from tests.servers.images_server import ImagesServer, error, odd

KEY = "sk-test-0123456789abcdef"
JOB = ImageJob(prompt="a red cat", seed=7)
RED, BLUE = (Image.new("RGB", (40, 20), colour) for colour in ("red", "blue"))
PRICE = {"image": 0.04, "input_million": 10, "output_million": 40}


@pytest.fixture(scope="module")
def serving() -> Iterator[ImagesServer]:
    with ImagesServer(key=KEY).serving() as serving:
        yield serving


@pytest.fixture
def server(serving: ImagesServer) -> ImagesServer:
    """As new for each test."""
    serving.reset()
    return serving


def backend_of(server: ImagesServer, *, call: Any = None, max_pixels: int = 2048 * 2048, **hosted: Any) -> Backend:
    values = {"base_url": server.url, "api_key": KEY, "first_pause": 0.01, "price": PRICE} | hosted
    return open_backend(
        GeneratorSettings(
            backend="openai_images", model=server.model, call=call or {}, max_pixels=max_pixels,
            hosted=HostedSettings.model_validate(values),
        )
    )  # fmt: skip


def go_on(step: int, of: int) -> None:
    """Nobody cancels."""


def drawn(backend: Backend, job: ImageJob = JOB, *references: Image.Image) -> tuple[Image.Image, Tally]:
    counted = Tally()
    tally.set(counted)
    return backend.draw(job, references, go_on), counted


def failed(backend: Backend, kind: type[Exception], match: str, job: ImageJob = JOB) -> tuple[Any, Tally]:
    counted = Tally()
    tally.set(counted)
    with pytest.raises(kind, match=match) as raised:
        backend.draw(job, (), go_on)
    assert KEY not in str(raised.value)
    return raised.value, counted


def test_text_becomes_a_picture(server: ImagesServer):
    job = ImageJob(prompt="a red cat", seed=7, size=Size(width=96, height=64), params={"num_inference_steps": 2})
    picture, counted = drawn(backend_of(server), job)
    assert (picture.size, picture.mode) == ((96, 64), "RGB")
    (asked,) = server.asked
    assert asked == {
        "model": "test-image-1", "prompt": "a red cat", "n": 1, "size": "96x64", "response_format": "b64_json",
        "num_inference_steps": 2, "seed": 7, "pictures": [],
    }  # fmt: skip
    assert counted.calls == {"answered": 1}
    assert counted.cost is not None
    assert counted.cost.amount == pytest.approx(0.04 + 50 * 10 / 1e6 + 1000 * 40 / 1e6)
    assert counted.reported == "id img-1, created 1767225600, request req_1"


def test_equal_jobs_are_asked_alike(server: ImagesServer):
    backend = backend_of(server)
    first, _ = drawn(backend)
    assert drawn(backend)[0].tobytes() == first.tobytes()
    assert drawn(backend, JOB.model_copy(update={"seed": 8}))[0].tobytes() != first.tobytes()
    assert drawn(backend, JOB, RED)[0].tobytes() != first.tobytes()


def test_references_are_edited(server: ImagesServer):
    backend = backend_of(server, reference_pixels=256)
    drawn(backend, JOB, RED)
    drawn(backend, JOB, RED, BLUE)
    assert server.paths == ["/v1/images/edits"] * 2
    sent = [[Image.open(io.BytesIO(each)).size for each in asked["pictures"]] for asked in server.asked]
    assert sent == [[(23, 11)], [(23, 11)] * 2]
    assert server.asked[0]["seed"] == "7"


def test_more_references_than_the_model_looks_at_fail_in_words(server: ImagesServer):
    with pytest.raises(DrawFailed, match="looks at 1 pictures at most and this step has 2"):
        drawn(backend_of(server, max_references=1), JOB, RED, BLUE)
    assert server.asked == []


def test_openais_own_models_are_sent_no_field_of_others(server: ImagesServer):
    server.flavour = "openai"
    backend = backend_of(server, flavour="openai")
    tall = ImageJob(prompt="a red cat", seed=7, size=Size(width=300, height=500))
    picture, _ = drawn(backend, tall)
    assert set(server.asked[0]) == {"model", "prompt", "n", "size", "pictures"}
    assert server.asked[0]["size"] == "1024x1536"
    assert picture.size == (300, 500)
    with pytest.raises(DrawFailed, match=r"takes no num_inference_steps.*generator\.hosted\.takes"):
        drawn(backend, ImageJob(prompt="a", seed=1, params={"num_inference_steps": 3}))


def test_call_adds_and_takes_out_fields(server: ImagesServer):
    drawn(backend_of(server, call={"quality": "low", "response_format": None}))
    assert server.asked[0]["quality"] == "low"
    assert "response_format" not in server.asked[0]


@pytest.mark.parametrize("links", ["path", "url"])
def test_a_picture_behind_the_servers_own_url_is_fetched_without_the_key(server: ImagesServer, links: str):
    server.links = links
    picture, _ = drawn(backend_of(server))
    assert picture.size == (64, 64)
    assert "authorization" not in server.fetched[0]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/a.png", "https://169.254.169.254/latest/meta-data", "http://example.com/a.png", "file:///etc/passwd"]
)  # fmt: skip
def test_a_url_elsewhere_must_be_public_and_https(server: ImagesServer, url: str):
    server.links = url
    error, counted = failed(backend_of(server, reasks=0), DrawFailed, "its picture's URL")
    assert not error.retryable
    assert counted.calls == {"answered": 1}


# What a server can do wrong.


def test_a_busy_server_is_waited_for_as_long_as_it_says(server: ImagesServer):
    server.tricks = [error(429, "Rate limit reached", code="rate_limit_exceeded", retry_after="0.3")]
    began = time.monotonic()
    _, counted = drawn(backend_of(server))
    assert time.monotonic() - began >= 0.3
    assert counted.calls == {"failed": 1, "answered": 1}
    assert server.drawn == 1


@pytest.mark.parametrize(
    "said", [{"retry_after_ms": "5"}, {"retry_after": formatdate(time.time() - 5, usegmt=True)}, {}]
)
def test_the_ways_to_say_when(server: ImagesServer, said: dict[str, str]):
    server.tricks = [error(429, "slow down", **said)] * 3
    drawn(backend_of(server))
    assert len(server.asked) == 4


def test_a_longer_wait_than_allowed_is_left_to_the_run(server: ImagesServer):
    server.tricks = [error(429, "Rate limit reached", retry_after="3600")]
    raised, _ = failed(backend_of(server), Unavailable, "asked too much at once: Rate limit reached")
    assert raised.retryable
    assert raised.extra["retry_after"] == 3600


def test_a_spent_account_is_told_and_not_asked_again(server: ImagesServer):
    server.tricks = [error(429, "You exceeded your current quota", code="insufficient_quota")]
    raised, _ = failed(backend_of(server), DrawFailed, "is spent, look at its billing page")
    assert not raised.retryable
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "Your request was rejected by the safety system.", code="moderation_blocked"),
        error(400, "…", code="content_policy_violation"),
        error(451, "for legal reasons"),
    ],
)
def test_refused_content_is_not_asked_for_again(server: ImagesServer, refusal: Any):
    server.tricks = [refusal]
    raised, counted = failed(backend_of(server), ContentRefused, "refuses to draw this")
    assert (raised.code, raised.retryable) == ("content_refused", False)
    assert counted.calls == {"refused": 1}
    assert len(server.asked) == 1


def test_a_failing_server_is_asked_again_then_left_to_the_run(server: ImagesServer):
    server.tricks = [error(500, "The server had an error"), error(503, "overloaded")]
    assert drawn(backend_of(server))[1].calls == {"failed": 2, "answered": 1}
    server.tricks = [error(500, "The server had an error")] * 2
    _, counted = failed(backend_of(server, tries=2), Unavailable, r"failed \(500\)")
    assert counted.cost is not None and counted.cost.amount == 0


def test_a_server_that_is_not_there(server: ImagesServer, free_port: Any):
    backend = backend_of(server, base_url=f"http://127.0.0.1:{free_port()}/v1", tries=2)
    assert backend.setup().model.startswith("test-image-1@127.0.0.1:")  # a worker may start before its server
    failed(backend, Unavailable, "cannot be reached")


@pytest.mark.parametrize(("trick", "seconds"), [("hang", 0.3), ("break", 30), (error(504, "gateway time-out"), 30)])
def test_a_lost_answer_may_have_been_billed_so_it_is_counted_and_not_repeated_here(
    server: ImagesServer, trick: Any, seconds: float
):
    server.tricks = [trick]
    raised, counted = failed(backend_of(server, seconds=seconds), DrawFailed, "may have been billed")
    assert raised.retryable
    assert counted.calls == {"lost": 1}
    assert counted.cost is not None and counted.cost.amount == 0.04
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("trick", "words"),
    [
        (odd({"created": 1, "data": []}), "it holds no picture"),
        (odd({"created": 1}), "it holds no picture"),
        (odd(b"<html>welcome</html>"), "no JSON"),
        (odd([1, 2]), "no JSON"),
        ({"b64_json": "%%%"}, "no base64"),
        ({"b64_json": base64.b64encode(b"GIF89a...").decode()}, "no readable PNG, JPEG, WEBP picture"),
        ({"b64_json": 7}, "is no text"),
        ({"revised_prompt": "I would rather write"}, "neither b64_json nor url"),
    ],
)
def test_an_answer_without_a_usable_picture_is_asked_for_again_a_few_times(
    server: ImagesServer, trick: Any, words: str
):
    server.tricks = [trick]
    picture, counted = drawn(backend_of(server))
    assert picture.size == (64, 64)
    assert counted.calls.total() == 2
    assert [asked["seed"] for asked in server.asked] == [7, 8]
    server.tricks = [trick] * 3
    raised, counted = failed(backend_of(server), DrawFailed, f"asked 3 times and gave no usable picture: .*{words}")
    assert not raised.retryable
    assert counted.calls.total() == 3


def test_oversize(server: ImagesServer):
    big = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(big, "PNG")
    server.tricks = [{"b64_json": base64.b64encode(big.getvalue()).decode()}]
    failed(backend_of(server, reasks=0), DrawFailed, "3000 x 3000 pixels; at most 4194304")
    server.tricks = [odd({"data": [{"b64_json": "A" * 100_000}]})]
    _, counted = failed(backend_of(server, max_bytes=50_000), DrawFailed, "more than 50000 bytes")
    assert counted.calls == {"unusable": 1}


def test_a_transparent_picture_lies_on_white(server: ImagesServer):
    clear = io.BytesIO()
    Image.new("RGBA", (8, 8), (200, 0, 0, 0)).save(clear, "PNG")
    server.tricks = [{"b64_json": base64.b64encode(clear.getvalue()).decode()}]
    assert drawn(backend_of(server))[0].getpixel((4, 4)) == (255, 255, 255)


def test_a_key_is_never_repeated(server: ImagesServer, caplog: pytest.LogCaptureFixture, capsys: Any):
    other = "sk-live-ABCDEFGHIJKLMNOP"
    backend = backend_of(server, api_key=other, headers={"X-Relay-Key": "relay-secret-1234"})
    with pytest.raises(BadSettings, match=r"refuses the key \(401\): set generator.hosted.api_key") as raised:
        backend.setup()
    assert other not in str(raised.value)
    raised2, _ = failed(backend, DrawFailed, r"refuses the key \(401\).*Incorrect API key provided: \*\*\*")
    server.tricks = [error(400, f"odd header relay-secret-1234 and {KEY}")]
    told, _ = failed(backend_of(server, headers={"X-Relay-Key": "relay-secret-1234"}), DrawFailed, "odd header")
    server.tricks = [error(500, f"{KEY} crashed"), error(500, f"{KEY} crashed")]
    failed(backend_of(server, tries=2), Unavailable, "crashed")
    shown = capsys.readouterr()
    everything = f"{raised.value}{raised2}{told}{caplog.text}{shown.out}{shown.err}{backend_of(server).settings!r}"  # type: ignore[attr-defined]
    assert not [secret for secret in (other, KEY, "relay-secret-1234") if secret in everything]


def test_setup_names_what_is_served(server: ImagesServer):
    assert backend_of(server).setup().model == f"test-image-1@{server.url.split('/')[2]}"
    server.model = "another"
    settings = GeneratorSettings(
        backend="openai_images", model="mine", hosted=HostedSettings(base_url=server.url, api_key=KEY)
    )
    with pytest.raises(BadSettings, match=r"does not serve generator\.model 'mine'; it serves another"):
        open_backend(settings).setup()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "set generator.model"),
        ({"model": "m", "hosted": {"base_url": "ftp://x/v1"}}, "write an http"),
        ({"model": "m", "hosted": {"base_url": "http://user:word@x/v1"}}, "write an http"),
        ({"model": "m", "hosted": {"base_url": "http://x/v1?key=secret"}}, "without a key"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], says: str):
    with pytest.raises(BadSettings, match=says) as raised:
        open_backend(GeneratorSettings.model_validate({"backend": "openai_images"} | settings))
    assert "word" not in str(raised.value).replace("http(s)", "") and "secret" not in str(raised.value)


def test_a_picture_that_nobody_wants_any_more_drops_the_call(server: ImagesServer):
    server.tricks = ["hang"]
    counted = Tally()
    tally.set(counted)

    class Stop(Exception):
        pass

    def stop(step: int, of: int) -> None:
        if server.asked:
            raise Stop

    with pytest.raises(Stop):
        backend_of(server).draw(JOB, (), stop)
    assert server.hung_up.wait(5)
    assert counted.calls == {"lost": 1}


def test_several_threads_draw_at_once(server: ImagesServer):
    backend = backend_of(server)
    slow = [ImageJob(prompt=f"cat {n}", seed=1, params={"num_inference_steps": 30}) for n in range(4)]
    threads = [threading.Thread(target=backend.draw, args=(job, (), go_on)) for job in slow]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.most_at_once == 4
