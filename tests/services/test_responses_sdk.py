"""OpenAI's own SDK against /v1/responses and /v1/models, over real HTTP; behind the ports are fakes."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response
from PIL import Image

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.client import Client
from services.orchestrator.generators import Generators
from services.orchestrator.settings import Endpoint, WebhookSettings
from tests import doors
from tests.doors import picture
from tests.fakes import FakeGenerator, revise
from tests.generator_stack import serving
from tests.newcomer.orchestra import orchestra

MODEL = "interleavethinker"
SNOWMAN = "How do I draw a snowman?"
MESSAGE_EVENTS = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]


def sdk(url: str, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


def picture_events(partials: int) -> list[str]:
    call = "response.image_generation_call"
    shown = [f"{call}.partial_image"] * partials
    begun = [f"{call}.in_progress", f"{call}.generating"]
    return ["response.output_item.added", *begun, *shown, f"{call}.completed", "response.output_item.done"]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Three steps: one accepted at once, one redrawn, one in words only."""
    with orchestra(tmp_path) as url:
        yield url


@pytest.fixture
def client(url: str) -> openai.OpenAI:
    return sdk(url)


def served(tmp_path: Path, *prompts: str | None, pause: float = 0.0, broken: Any = (), **how: Any) -> Any:
    blobs = DirectoryBlobs(tmp_path / "blobs")
    generator = FakeGenerator(blobs, pause=pause, broken=broken)
    return serving(doors.orchestrator(f"sqlite:///{tmp_path}/journal.db", blobs, *prompts, generator=generator, **how))


def opened(result: str | None) -> Image.Image:
    assert result
    return Image.open(io.BytesIO(base64.b64decode(result)))


def test_texts_and_pictures_in_the_documents_order(client: openai.OpenAI, url: str):
    answer = client.responses.create(model=MODEL, input=SNOWMAN, metadata={"topic": "winter"})
    assert (answer.status, answer.object, answer.metadata) == ("completed", "response", {"topic": "winter"})
    assert [item.type for item in answer.output] == ["message", "image_generation_call"] * 2 + ["message"]
    assert answer.output_text == (
        "## 1. Step 1\n\nNow a ball\n\n## 2. Step 2\n\nNow a red hat\n\n## 3. Step 3\n\nanswer 3\n\n"
    )
    ball, hat = (item for item in answer.output if item.type == "image_generation_call")
    assert (hat.revised_prompt, hat.size, hat.status, hat.output_format) == (
        "a red hat at b2", "64x64", "completed", "png",
    )  # fmt: skip
    assert (ball.action, hat.action) == ("generate", "edit")
    assert opened(ball.result).size == (64, 64)
    more = answer.model_extra["interleave"]
    assert more["draws"] == 3
    with Client(url) as own:  # the same run, through its own door
        document = own.document(more["run_id"])
        stands = document.steps[1].image
        assert stands and own.image(document.run_id, stands.digest) == base64.b64decode(hat.result or "")
    assert answer.usage and answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_the_stream_tells_each_item_in_order(client: openai.OpenAI):
    events = list(
        client.responses.create(
            model=MODEL, input=SNOWMAN, stream=True, tools=[{"type": "image_generation", "partial_images": 2}]
        )
    )
    assert [event.type for event in events] == [
        "response.created", "response.in_progress",
        *MESSAGE_EVENTS, *picture_events(1), *MESSAGE_EVENTS, *picture_events(2), *MESSAGE_EVENTS,
        "response.completed",
    ]  # fmt: skip
    numbers = [event.sequence_number for event in events]
    # Two are kept for each picture; the first one's only attempt used one of them.
    assert numbers == [number for number in range(len(events) + 1) if number != 12]
    assert events[0].response.status == "in_progress" and events[0].response.output == []
    partials = [event for event in events if event.type == "response.image_generation_call.partial_image"]
    assert [event.partial_image_index for event in partials] == [0, 0, 1]
    whole = events[-1].response
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.model_dump() for item in done] == [item.model_dump() for item in whole.output]
    kept = [item.result for item in whole.output if item.type == "image_generation_call"]
    assert [partials[0].partial_image_b64, partials[2].partial_image_b64] == kept  # each step's last attempt stands
    assert client.responses.retrieve(whole.id).model_dump() == whole.model_dump()


def test_a_live_reader_sees_the_drawing_under_way(tmp_path: Path):
    """And whoever reads it later the attempts in their place, under the same numbers."""
    asked: dict[str, Any] = {
        "model": MODEL, "input": SNOWMAN, "tools": [{"type": "image_generation", "partial_images": 3}],
        "extra_body": {"interleave": {"params": {"num_inference_steps": 40}}},
    }  # fmt: skip
    with served(tmp_path, "a hill", "a snowman") as url:
        client = sdk(url)
        live = list(client.responses.create(**asked, stream=True))
        later = list(client.responses.retrieve(live[-1].response.id, stream=True))
    partials = [event for event in live if event.type == "response.image_generation_call.partial_image"]
    # The fake's previews are all alike, and the same one is not sent twice.
    assert [(event.partial_image_index, event.output_format) for event in partials] == [(0, "jpeg"), (1, "png")] * 2
    assert [opened(event.partial_image_b64).format for event in partials] == ["JPEG", "PNG"] * 2
    assert [event.sequence_number for event in live] == sorted({event.sequence_number for event in live})
    others = [event.model_dump() for event in live if event not in partials]
    assert [event.model_dump() for event in later if "partial" not in event.type] == others
    assert [event.partial_image_index for event in later if "partial" in event.type] == [0, 0]


def test_the_sdks_own_reading_of_a_stream(client: openai.OpenAI):
    with client.responses.stream(model=MODEL, input=SNOWMAN) as stream:
        texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(texts) == stream.get_final_response().output_text


async def test_the_same_without_blocking(url: str):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        answer, stream = await asyncio.gather(
            client.responses.create(model=MODEL, input=SNOWMAN),
            client.responses.create(model=MODEL, input="Another", stream=True),
        )
        last = [event async for event in stream][-1]
        assert (answer.status, last.type) == ("completed", "response.completed")


def test_in_the_background_it_is_asked_for_again(tmp_path: Path):
    with served(tmp_path, "a hill", "a snowman", pause=0.3) as url:
        client = sdk(url)
        begun = client.responses.create(model=MODEL, input=SNOWMAN, background=True)
        assert begun.status in ("queued", "in_progress") and begun.background
        # The stream of one that is under way, from its beginning, and from the middle on.
        events = list(client.responses.retrieve(begun.id, stream=True))
        assert [event.type for event in events][:3] == ["response.created", "response.queued", "response.in_progress"]
        assert events[-1].type == "response.completed"
        rest = list(client.responses.retrieve(begun.id, stream=True, starting_after=5))
        assert [event.model_dump() for event in rest] == [event.model_dump() for event in events[6:]]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert client.responses.retrieve(begun.id).status == "completed"


def test_one_under_way_shows_what_it_has_and_is_canceled(tmp_path: Path):
    with served(tmp_path, "a hill", "a snowman", pause=60) as url:
        client = sdk(url)
        begun = client.responses.create(model=MODEL, input=SNOWMAN, background=True)
        events = client.responses.retrieve(begun.id, stream=True)
        seen = []
        for event in events:
            seen.append(event.type)
            if event.type == "response.image_generation_call.generating":
                now = client.responses.retrieve(begun.id)
                assert (now.status, [getattr(item, "status", "") for item in now.output]) == (
                    "in_progress", ["completed", "generating"],
                )  # fmt: skip
                assert client.responses.cancel(begun.id).status == "cancelled"
            last = event
        assert seen[-2:] == ["response.output_item.done", "response.incomplete"]
        assert last.type == "response.incomplete" and last.response.status == "cancelled"
        assert [item.status for item in last.response.output if item.type == "image_generation_call"] == ["failed"]
        assert client.responses.cancel(begun.id).status == "cancelled"


def test_deleted_is_gone_also_while_it_is_under_way(tmp_path: Path):
    with served(tmp_path, "a hill", pause=60) as url:
        client = sdk(url)
        begun = client.responses.create(model=MODEL, input=SNOWMAN, background=True)
        client.responses.delete(begun.id)
        for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
            with pytest.raises(openai.NotFoundError, match="there is no response"):
                call(begun.id)


def test_what_is_not_stored_is_answered_and_forgotten(client: openai.OpenAI):
    answer = client.responses.create(model=MODEL, input=SNOWMAN, store=False)
    assert answer.status == "completed" and answer.output
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)
    streamed = list(client.responses.create(model=MODEL, input=SNOWMAN, store=False, stream=True))[-1]
    assert streamed.type == "response.completed" and streamed.response.output
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(streamed.response.id)


def test_a_limit_makes_it_incomplete(client: openai.OpenAI):
    answer = client.responses.create(model=MODEL, input=SNOWMAN, max_tool_calls=1)
    assert (answer.status, answer.max_tool_calls) == ("incomplete", 1)
    assert answer.incomplete_details and answer.incomplete_details.reason == "max_output_tokens"
    assert answer.error is None
    assert [item.type for item in answer.output][:2] == ["message", "image_generation_call"]


def test_a_failure_says_why(tmp_path: Path):
    with served(tmp_path, "a hill", "a snowman", broken=["a hill"]) as url:
        events = list(sdk(url).responses.create(model=MODEL, input=SNOWMAN, stream=True))
        last = events[-1]
        assert last.type == "response.failed" and last.response.status == "failed"
        assert last.response.error and last.response.error.code == "server_error"
        assert last.response.error.message == "draw_failed: cannot draw 'a hill'"
    with served(tmp_path / "2", "a hill", "a snowman", broken=["a snowman"]) as url:
        answer = sdk(url).responses.create(model=MODEL, input=SNOWMAN)
        assert answer.status == "incomplete" and answer.error and "cannot draw" in answer.error.message
        assert [item.type for item in answer.output] == ["message", "image_generation_call"] * 2


def test_pictures_and_several_messages_become_one_brief(client: openai.OpenAI, url: str):
    answer = client.responses.create(
        model=MODEL,
        instructions="Draw in blue.",
        input=[
            {"role": "developer", "content": "Be short."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "This <image> is my dog:"},
                    {"type": "input_image", "image_url": picture(), "detail": "auto"},
                    {"type": "input_text", "text": "Tell a story of it."},
                ],
            },
        ],
    )
    with Client(url) as own:
        brief = own.document(answer.model_extra["interleave"]["run_id"]).request.brief
    assert brief.prompt == ("Draw in blue.\n\nBe short.\n\nThis   is my dog:\n<image>\nTell a story of it.")
    assert [(image.width, image.height) for image in brief.images] == [(20, 10)]
    listed = client.responses.input_items.list(answer.id).data
    assert [part.type for part in listed[0].content] == ["input_text", "input_image", "input_text"]


def test_a_document_is_continued(client: openai.OpenAI, url: str):
    first = client.responses.create(model=MODEL, input=SNOWMAN, extra_body={"interleave": {"seed": 7}})
    second = client.responses.create(
        model=MODEL,
        previous_response_id=first.id,
        input=[{"role": "user", "content": [
            {"type": "input_text", "text": "And now with this dog:"},
            {"type": "input_image", "image_url": picture(), "detail": "auto"},
        ]}],
    )  # fmt: skip
    assert (second.status, second.previous_response_id) == ("completed", first.id)
    with Client(url) as own:
        request = own.document(second.model_extra["interleave"]["run_id"]).request
    assert (len(request.brief.images), request.seed) == (3, 7)
    assert request.brief.prompt.startswith(SNOWMAN) and request.brief.prompt.endswith("And now with this dog:\n<image>")


def test_answers_are_sent_back_as_they_came(client: openai.OpenAI, url: str):
    """The way of callers that keep the conversation themselves; a picture may be meant by its id alone."""
    first = client.responses.create(model=MODEL, input=SNOWMAN)
    by_id = {"type": "image_generation_call", "id": first.output[3].id}
    items = [item.model_dump(exclude_none=True) for item in first.output[:2]]
    second = client.responses.create(model=MODEL, input=[*items, by_id, {"role": "user", "content": "Go on."}])  # type: ignore[list-item]
    with Client(url) as own:
        brief = own.document(second.model_extra["interleave"]["run_id"]).request.brief
    assert len(brief.images) == 2
    assert brief.prompt == "## 1. Step 1\n\nNow a ball\n\n\n\n<image>\n\n<image>\n\nGo on."


def test_pictures_come_as_they_are_wanted(client: openai.OpenAI):
    for wanted in ("jpeg", "webp"):
        tool: Any = {"type": "image_generation", "output_format": wanted, "output_compression": 50, "size": "32x48"}
        answer = client.responses.create(model=MODEL, input=SNOWMAN, tools=[tool])
        call = next(item for item in answer.output if item.type == "image_generation_call")
        assert opened(call.result).format == wanted.upper()
        assert (call.output_format, call.size) == (wanted, "32x48")
        assert answer.tools[0].type == "image_generation" and answer.tools[0].size == "32x48"


def test_a_repeated_call_makes_one_document(client: openai.OpenAI):
    asked: dict[str, Any] = {"model": MODEL, "input": SNOWMAN, "extra_headers": {"Idempotency-Key": "mine"}}
    assert client.responses.create(**asked).id == client.responses.create(**asked).id
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(**(asked | {"input": "Another"}))
    assert refused.value.code == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("wrong", "param", "says"),
    [
        ({"input": ""}, "input", "at least 1 character"),
        ({"input": " "}, "input", "says nothing"),
        ({"tools": [{"type": "web_search"}]}, None, "web_search: only image_generation is known"),
        ({"tools": [{"type": "image_generation", "size": "huge"}]}, "tools.0.size", "should match pattern"),
        ({"tools": [{"type": "image_generation", "size": "9x9"}]}, "tools.0.size", "should match pattern"),
        ({"tools": [{"type": "image_generation", "background": "transparent"}]}, "tools.0.background", "opaque"),
        ({"conversation": "conv_1"}, None, "previous_response_id"),
        ({"prompt": {"id": "p"}}, None, "write the request into input"),
        ({"text": {"format": {"type": "json_object"}}}, "text", "leave text.format out"),
        ({"previous_response_id": "resp_none"}, "previous_response_id", "no response"),
        ({"background": True, "store": False}, None, "leave store out"),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "2"}]}, "input", "not taken here"),
        ({"input": [{"type": "image_generation_call", "id": "ig_1"}]}, "input.0", "send its bytes"),
        ({"input": [{"type": "image_generation_call", "id": "ig_none_1"}]}, "input.0", "no picture"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA"},
                                                 {"type": "input_text", "text": "Go on."}]}]}, None, "images[0]"),
        ({"extra_body": {"nonsense": 1}}, "nonsense", "not permitted"),
        ({"extra_body": {"interleave": {"max_attempts": 99}}}, "interleave.max_attempts", "less than or equal to 20"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(client: openai.OpenAI, wrong: dict[str, Any], param: str | None, says: str):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(**({"model": MODEL, "input": SNOWMAN} | wrong))
    error = refused.value
    assert says in error.message
    assert error.type == "invalid_request_error" and error.code in ("invalid_request", "previous_response_not_found")
    assert (error.param or "").startswith(param or "")


def test_what_speaks_of_language_models_is_taken_without_effect(client: openai.OpenAI):
    answer = client.responses.create(
        model=MODEL, input=SNOWMAN, temperature=0.3, top_p=0.5, max_output_tokens=99, user="me", truncation="auto",
        reasoning={"effort": "low"}, service_tier="auto", parallel_tool_calls=True, include=[], tool_choice="required",
        text={"format": {"type": "text"}}, prompt_cache_key="k", safety_identifier="s",
    )  # fmt: skip
    assert answer.status == "completed"


def test_models(client: openai.OpenAI):
    (model,) = client.models.list().data
    assert (model.id, model.object) == (MODEL, "model") and client.models.retrieve(MODEL) == model
    for call in (lambda: client.models.retrieve("gpt-9"), lambda: client.responses.create(model="gpt-9", input="x")):
        with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-9'") as refused:
            call()
        assert refused.value.code == "model_not_found"


def test_another_generator_is_another_model(tmp_path: Path):
    blobs = DirectoryBlobs(tmp_path / "blobs")
    other = FakeGenerator(blobs)
    generators = Generators(FakeGenerator(blobs), {"other": other})
    app = doors.orchestrator(f"sqlite:///{tmp_path}/journal.db", blobs, "a hill", generator=generators)
    with serving(app) as url:
        client = sdk(url)
        assert [model.id for model in client.models.list().data] == [MODEL, "other"]
        answer = client.responses.create(model="other", input=SNOWMAN)
        assert (answer.status, answer.model, len(other.asked)) == ("completed", "other", 1)
        assert client.responses.retrieve(answer.id).model == "other"
        further = client.responses.create(model=MODEL, input="Go on.", previous_response_id=answer.id)
        assert (further.status, further.model, len(other.asked)) == ("completed", MODEL, 1)


def test_keys_and_tenants(tmp_path: Path):
    with served(tmp_path, "a hill", auth="keys") as url:
        mine, other = (
            sdk(url, asyncio.run(doors.key(tmp_path, tenant))["Authorization"].removeprefix("Bearer "))
            for tenant in ("acme", "umbrella")
        )
        with pytest.raises(openai.AuthenticationError) as refused:
            sdk(url, "wrong").models.list()
        assert refused.value.type == "authentication_error" and refused.value.code == "unauthenticated"
        answer: Response = mine.responses.create(model=MODEL, input=SNOWMAN)
        assert answer.status == "completed" and mine.responses.retrieve(answer.id).id == answer.id
        for call in (other.responses.retrieve, other.responses.cancel, other.responses.delete):
            with pytest.raises(openai.NotFoundError):
                call(answer.id)
        theirs = {"type": "image_generation_call", "id": answer.output[1].id}
        for wrong in ({"previous_response_id": answer.id}, {"input": [theirs]}):
            with pytest.raises(openai.BadRequestError, match="there is no"):
                other.responses.create(**({"model": MODEL, "input": SNOWMAN} | wrong))  # type: ignore[call-overload]
        assert list(mine.responses.retrieve(answer.id, stream=True))[-1].type == "response.completed"


def test_a_run_of_the_other_door_is_a_response_too(client: openai.OpenAI, url: str):
    with Client(url) as own:
        run = own.ask(SNOWMAN)
        list(own.follow(run))
        own.redraw(run, 1)
        list(own.follow(run))
    answer = client.responses.retrieve(run.replace("run_", "resp_"))
    assert answer.status == "completed"
    assert answer.output[1].model_extra["interleave"]["attempts"] == 2
    events = list(client.responses.retrieve(answer.id, stream=True))
    assert events[-1].type == "response.completed"


def test_refused_verdicts_are_seen(tmp_path: Path):
    with served(tmp_path, "a hill", verdicts=[revise("a green hill")] * 9) as url:
        answer = sdk(url).responses.create(
            model=MODEL, input=SNOWMAN, extra_body={"interleave": {"max_attempts": 2, "critic": "quick"}}
        )
        more = answer.output[1].model_extra["interleave"]
        assert (more["attempts"], more["accepted"]) == (2, False)


def stream_of(client: openai.OpenAI, run: str) -> list[Any]:
    return list(client.responses.retrieve(run.replace("run_", "resp_"), stream=True))


def test_runs_that_went_other_ways_are_told_too(tmp_path: Path):
    """Those whose plan was looked at first, branches of others, and those that were canceled before their turn."""
    with served(tmp_path, "a hill", "a snowman", "a hat", runs_at_once=1) as url, Client(url) as own:
        client = sdk(url)
        waiting = own.ask(SNOWMAN, review_plan=True)
        for recorded in own.follow(waiting):
            if recorded.event.type == "plan_awaited":
                document = own.document(waiting)
                assert client.responses.retrieve(waiting).status == "in_progress"
                own.edit_plan(waiting, [document.steps[1].step.model_copy(update={"index": 1})])
                own.approve(waiting)
        told = stream_of(client, waiting)
        assert [event.text for event in told if event.type == "response.output_text.done"] == [
            "## 1. Step 2\n\nNow a snowman\n\n"
        ]

        whole = own.ask(SNOWMAN)
        list(own.follow(whole))
        branch = own.branch(whole, 2, steps=[document.steps[2].step.model_copy(update={"index": 2})])
        list(own.follow(branch))
        told = stream_of(client, branch)
        texts = [event.text for event in told if event.type == "response.output_text.done"]
        assert [text.splitlines()[0] for text in texts] == ["## 1. Step 1", "## 2. Step 3"]
        done = [event.item.model_dump() for event in told if event.type == "response.output_item.done"]
        assert done == [item.model_dump() for item in told[-1].response.output]


def test_canceled_before_its_turn(tmp_path: Path):
    with served(tmp_path, "a hill", pause=60, runs_at_once=1) as url:
        client = sdk(url)
        first, second = (client.responses.create(model=MODEL, input=SNOWMAN, background=True) for _ in range(2))
        assert client.responses.retrieve(second.id).status == "queued"
        client.responses.cancel(second.id)
        assert [event.type for event in client.responses.retrieve(second.id, stream=True)] == [
            "response.created", "response.queued", "response.incomplete",
        ]  # fmt: skip
        client.responses.cancel(first.id)


def test_nothing_is_deleted_of_which_a_webhook_is_still_to_be_told(tmp_path: Path, free_port: Any):
    nobody = Endpoint(
        url=f"http://127.0.0.1:{free_port()}/", secret="whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    )
    with served(tmp_path, "a hill", webhooks=WebhookSettings(endpoints=(nobody,), first_wait=60)) as url:
        client = sdk(url)
        answer = client.responses.create(model=MODEL, input=SNOWMAN, store=False)
        assert client.responses.retrieve(answer.id).status == "completed"
        with pytest.raises(openai.ConflictError, match="webhooks are still being told of it"):
            client.responses.delete(answer.id)
