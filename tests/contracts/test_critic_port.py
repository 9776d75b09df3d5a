"""What every `ports.Critic` promises, asked of the service in process and of the HTTP client against its app."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from PIL import Image

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.clients.critic import CriticClient
from interleavethinker.codec import ImagePart
from interleavethinker.errors import ContentRefused, NotFound, Unavailable
from interleavethinker.ports import Critic, put_image
from interleavethinker.types import Critique, ImageRef, Outcome, Verdict
from services.critic_service.app import critic_app
from services.critic_service.service import CriticService
from services.critic_service.settings import CriticSettings
from tests.lessons import CRITIC, PROMPT, picture
from tests.scripted import ScriptedChat

Make = Callable[..., Critic]

ACCEPT = Verdict(outcome=Outcome.ACCEPT, reasoning="the boat is red")
REVISE = Verdict(
    outcome=Outcome.REVISE, reasoning="the boat is blue", refined_prompt="place a red boat, not a blue one"
)
ACCEPTING, REVISING = CRITIC.write(ACCEPT, PROMPT), CRITIC.write(REVISE, PROMPT)
IN_JSON = '<think>fine</think><answer>{"previous_step_success": true, "refine_prompt": "place a red boat"}</answer>'


@pytest.fixture(params=["service", "http"])
async def make(request: pytest.FixtureRequest, blobs: DirectoryBlobs) -> AsyncIterator[Make]:
    clients: list[CriticClient] = []

    def critic(chat: ScriptedChat, **settings: object) -> Critic:
        service = CriticService(chat, CRITIC, blobs, CriticSettings.model_validate(settings))
        if request.param == "service":
            return service
        clients.append(
            CriticClient("http://critic", transport=httpx2.ASGITransport(app=critic_app(service)), attempts=1)
        )
        return clients[-1]

    yield critic
    for client in clients:
        await client.close()


@pytest.fixture
async def after(blobs: DirectoryBlobs) -> ImageRef:
    return await put_image(blobs, picture("red"), width=64, height=64)


@pytest.fixture
def critique(after: ImageRef) -> Critique:
    return Critique(prompt=PROMPT, last_prompt=PROMPT, after=after)


@pytest.mark.parametrize("width", [1, 3, 11, 10_000])
@pytest.mark.parametrize(("verdict", "answer", "word"), [(ACCEPT, ACCEPTING, "True"), (REVISE, REVISING, "False")])
async def test_the_confidence_is_the_probability_of_the_verdicts_own_word(
    make: Make, critique: Critique, width: int, verdict: Verdict, answer: str, word: str
) -> None:
    chat = ScriptedChat(answer, width=width, probabilities={word: 0.8})
    at = answer.index(word)
    held = range(at // width, (at + len(word) - 1) // width + 1)
    found = await make(chat).judge(critique)
    assert found.verdict == verdict.model_copy(update={"confidence": pytest.approx(0.8 ** len(held))})


async def test_a_refusal_to_judge_is_no_verdict_and_not_asked_again(make: Make, critique: Critique) -> None:
    chat = ScriptedChat(ContentRefused("m refuses to answer this: people"), ACCEPTING)
    found = await make(chat).judge(critique)
    assert found.verdict == Verdict(outcome=Outcome.ABSTAIN)
    assert found.raw == ("m refuses to answer this: people",)
    assert len(chat.asked) == 1


async def test_a_word_over_several_tokens_is_as_probable_as_all_of_them(make: Make, critique: Critique) -> None:
    chat = ScriptedChat(REVISING, width=1, probabilities={"False": 0.9})
    found = await make(chat).judge(critique)
    assert found.verdict.confidence == pytest.approx(0.9**5)


@pytest.mark.parametrize("width", [1, 4, 10_000])
@pytest.mark.parametrize("answer", [ACCEPTING, IN_JSON])
async def test_an_accept_ends_the_decoding_and_its_record_can_be_read(
    make: Make, critique: Critique, width: int, answer: str
) -> None:
    chat = ScriptedChat(answer, width=width)
    found = await make(chat).judge(critique)
    assert found.verdict.outcome is Outcome.ACCEPT
    assert CRITIC.read(found.raw[0]) == found.verdict.model_copy(update={"confidence": None})
    if width < 5:
        assert chat.decoded * width < len(answer) - len(PROMPT)


async def test_an_accept_may_be_heard_out(make: Make, critique: Critique) -> None:
    chat = ScriptedChat(ACCEPTING)
    found = await make(chat, stop_on_accept=False).judge(critique)
    assert found.raw == (ACCEPTING,)
    assert found.verdict == ACCEPT.model_copy(update={"confidence": 1.0})


async def test_without_probabilities_the_confidence_is_unknown(make: Make, critique: Critique) -> None:
    chat = ScriptedChat(REVISING, tells_logprobs=False)
    assert (await make(chat).judge(critique)).verdict.confidence is None


async def test_a_damaged_answer_is_asked_for_again(make: Make, critique: Critique) -> None:
    chat = ScriptedChat("it looks fine", REVISING)
    found = await make(chat).judge(critique)
    assert found.verdict.outcome is Outcome.REVISE
    assert found.raw == ("it looks fine", REVISING)
    assert chat.asked[0]["temperature"] == 0 < chat.asked[1]["temperature"]


async def test_what_stays_unreadable_is_an_abstention(make: Make, critique: Critique) -> None:
    chat = ScriptedChat("hm", "well", "it depends", REVISING)
    found = await make(chat).judge(critique)
    assert found.verdict == Verdict(outcome=Outcome.ABSTAIN)
    assert found.raw == ("hm", "well", "it depends")


async def test_before_a_first_step_there_was_white_of_the_same_size(
    make: Make, critique: Critique, blobs: DirectoryBlobs
) -> None:
    chat = ScriptedChat(ACCEPTING)
    await make(chat).judge(critique)
    before, after = [
        part.image for message in chat.asked[0]["messages"] for part in message.parts if isinstance(part, ImagePart)
    ]
    white = Image.open(io.BytesIO(before)).convert("RGB")
    assert white.size == (64, 64)
    assert white.getcolors() == [(64 * 64, (255, 255, 255))]
    assert after == await blobs.get(critique.after.digest)


async def test_the_images_are_shown_before_then_after(make: Make, critique: Critique, blobs: DirectoryBlobs) -> None:
    before = await put_image(blobs, picture("blue"), width=64, height=64)
    chat = ScriptedChat(ACCEPTING)
    await make(chat).judge(critique.model_copy(update={"before": before}))
    shown = [
        part.image for message in chat.asked[0]["messages"] for part in message.parts if isinstance(part, ImagePart)
    ]
    assert shown == [picture("blue"), picture("red")]


async def test_an_image_that_is_not_stored_is_named(make: Make, critique: Critique) -> None:
    lost = critique.after.model_copy(update={"digest": "0" * 64})
    with pytest.raises(NotFound, match="0" * 64):
        await make(ScriptedChat(ACCEPTING)).judge(critique.model_copy(update={"after": lost}))


async def test_a_model_that_is_away_is_unavailable_not_an_abstention(make: Make, critique: Critique) -> None:
    with pytest.raises(Unavailable, match="the model is away"):
        await make(ScriptedChat(Unavailable("the model is away"))).judge(critique)
