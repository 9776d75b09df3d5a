"""What every `ports.Planner` promises, asked of the service in process and of the HTTP client against its app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import httpx2
import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.clients.planner import PlannerClient
from interleavethinker.errors import ContentRefused, Malformed, NotFound, Unavailable
from interleavethinker.ports import Planner, Planning, put_image
from interleavethinker.types import Brief, Plan, Step
from services.planner_service.app import planner_app
from services.planner_service.service import PlannerService
from services.planner_service.settings import PlannerSettings
from tests.lessons import BRIEF, PLANNER, picture
from tests.scripted import ScriptedChat

Make = Callable[[ScriptedChat], Planner]

PLAN = Plan(
    reasoning="first the snow, then the hat",
    steps=tuple(
        Step(index=number, name=f"step {number}", instruction=f"do {number}", prompt=f"draw {{{number}}} 'so'")
        for number in range(1, 5)
    ),
)
ANSWER = PLANNER.write(PLAN)
IN_STEP_3 = ANSWER.index("'step_number': 3") + 20
DAMAGED = ANSWER[:IN_STEP_3] + "None}, {'step_number'" + ANSWER[IN_STEP_3:]
TASK_A = Plan(steps=(Step(index=1, name="what it shows", auxiliary_text="a red boat"),))
TASK_B = Plan(steps=(Step(index=3, name="the moon", prompt="add a moon"), Step(index=4, prompt="add a star")))


@pytest.fixture(params=["service", "http"])
async def make(request: pytest.FixtureRequest, blobs: DirectoryBlobs) -> AsyncIterator[Make]:
    clients: list[PlannerClient] = []

    def planner(chat: ScriptedChat) -> Planner:
        service = PlannerService(chat, PLANNER, blobs, PlannerSettings())
        if request.param == "service":
            return service
        transport = httpx2.ASGITransport(app=planner_app(service))
        clients.append(PlannerClient("http://planner", transport=transport, attempts=1))
        return clients[-1]

    yield planner
    for client in clients:
        await client.close()


async def planned(planner: Planner, brief: Brief = BRIEF, *, max_steps: int = 25) -> tuple[list[Step], Planning]:
    *steps, last = [each async for each in planner.plan(brief, max_steps=max_steps)]
    assert isinstance(last, Planning)
    assert all(isinstance(step, Step) for step in steps)
    return [step for step in steps if isinstance(step, Step)], last


@pytest.mark.parametrize("width", [1, 7, 10_000])
async def test_the_steps_come_in_order_and_the_plan_holds_just_them(make: Make, width: int) -> None:
    steps, end = await planned(make(ScriptedChat(ANSWER, width=width)))
    assert tuple(steps) == PLAN.steps
    assert isinstance(end, Planning) and (end.plan, end.raw) == (PLAN, (ANSWER,))
    assert "planner" in end.model


@pytest.mark.parametrize("width", [1, 10_000])
async def test_a_longer_plan_is_cut_and_read_all_the_same(make: Make, width: int) -> None:
    steps, end = await planned(make(ScriptedChat(ANSWER, width=width)), max_steps=2)
    assert tuple(steps) == PLAN.steps[:2]
    assert end.plan == Plan(steps=PLAN.steps[:2], reasoning=PLAN.reasoning)
    assert PLANNER.read(end.raw[-1]).steps[:2] == PLAN.steps[:2]


@pytest.mark.parametrize("supports_prefix", [True, False])
async def test_a_damaged_answer_is_asked_for_again_and_its_good_steps_stand(make: Make, supports_prefix: bool) -> None:
    chat = ScriptedChat(DAMAGED, ANSWER, supports_prefix=supports_prefix)
    steps, end = await planned(make(chat))
    assert tuple(steps) == PLAN.steps
    assert end.plan == PLAN
    assert len(end.raw) == 2
    assert DAMAGED.startswith(end.raw[0])
    assert end.raw[1] == ANSWER
    prefix = ANSWER[: ANSWER.index(", {'step_number': 3")] if supports_prefix else ""
    assert [asked["prefix"] for asked in chat.asked] == ["", prefix]
    assert chat.asked[0]["temperature"] == 0 < chat.asked[1]["temperature"]
    assert chat.asked[0]["seed"] != chat.asked[1]["seed"]


async def test_a_second_answer_may_not_take_steps_back(make: Make) -> None:
    other = PLANNER.write(Plan(steps=(Step(index=1, name="something else"),)))
    chat = ScriptedChat(DAMAGED, other, ANSWER, supports_prefix=False)
    steps, end = await planned(make(chat))
    assert tuple(steps) == PLAN.steps
    assert len(end.raw) == 3


async def test_damage_before_the_steps_is_not_continued(make: Make) -> None:
    chat = ScriptedChat("no thoughts " + ANSWER, ANSWER)
    steps, _ = await planned(make(chat))
    assert tuple(steps) == PLAN.steps
    assert chat.asked[1]["prefix"] == ""


async def test_when_nothing_can_be_read_the_error_holds_every_answer(make: Make) -> None:
    chat = ScriptedChat("I would rather not.", "No.", "<think>hm</think> <answer>{'execution_plan': []}</answer>")
    with pytest.raises(Malformed) as raised:
        await planned(make(chat))
    assert raised.value.reason == "wrong_fields"
    assert raised.value.extra["raws"] == list(chat.answers)


async def test_a_plan_may_draw_nothing(make: Make, blobs: DirectoryBlobs) -> None:
    image = await put_image(blobs, picture("red"), width=64, height=64)
    steps, _ = await planned(
        make(ScriptedChat(PLANNER.write(TASK_A))), Brief(prompt="what is this? <image>", images=(image,))
    )
    assert tuple(steps) == TASK_A.steps
    assert steps[0].prompt is None


async def test_a_plan_may_go_on_where_the_given_steps_stop(make: Make, blobs: DirectoryBlobs) -> None:
    image = await put_image(blobs, picture("red"), width=64, height=64)
    brief = Brief(prompt="Step 1: <image> Step 2: <image> two more, please", images=(image, image))
    steps, end = await planned(make(ScriptedChat(PLANNER.write(TASK_B))), brief)
    assert [step.index for step in steps] == [3, 4]
    assert end.plan == TASK_B


async def test_an_image_that_is_not_stored_is_named(make: Make, blobs: DirectoryBlobs) -> None:
    image = (await put_image(blobs, picture("red"), width=64, height=64)).model_copy(update={"digest": "0" * 64})
    with pytest.raises(NotFound, match="0" * 64):
        await planned(make(ScriptedChat(ANSWER)), Brief(prompt="go on", images=(image,)))


async def test_a_model_that_is_away_is_unavailable_not_malformed(make: Make) -> None:
    with pytest.raises(Unavailable, match="the model is away"):
        await planned(make(ScriptedChat(Unavailable("the model is away"))))


async def test_a_stream_can_be_left(make: Make) -> None:
    chat = ScriptedChat(ANSWER)
    async with aclosing(make(chat).plan(BRIEF)) as steps:  # type: ignore[type-var]
        assert await anext(steps) == PLAN.steps[0]
    assert chat.closed == len(chat.asked) == 1


async def test_a_refusal_to_plan_is_told_as_one(make: Make) -> None:
    chat = ScriptedChat(ContentRefused("m refuses to answer this: weapons"), ANSWER)
    with pytest.raises(ContentRefused, match="weapons") as refused:
        async for _ in make(chat).plan(BRIEF):
            pass
    assert (refused.value.code, refused.value.retryable) == ("content_refused", False)
    assert len(chat.asked) == 1
