"""A run goes on at its caller's wish: the same loop over another ground, and a crash anywhere changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.document import Document, fold
from interleavethinker.errors import BadRequest, Conflict, DrawFailed, InterleaveError, NotFound
from interleavethinker.events import (
    Branched,
    Created,
    Drawn,
    Event,
    Finished,
    PlanApproved,
    PlanAwaited,
    Problem,
    Recorded,
    Resumed,
    Started,
    Status,
    StepFinished,
    StepReopened,
)
from interleavethinker.types import Brief, Budget, ImageRef, InterleaveRequest, Step, Verdict
from services.orchestrator.edits import branch, continued, edit_plan, first_references, has_budget, keep, redraw
from services.orchestrator.loop import interleave
from services.orchestrator.replay import Replay
from services.orchestrator.reshaping import arrange, delete, insert, pin, reword
from services.orchestrator.rounds import round_of
from services.orchestrator.writing import write_plan
from tests.fakes import ACCEPT, FakeCritic, FakeGenerator, FakePlanner, revise, steps_of

ASK = InterleaveRequest(brief=Brief(prompt="a story"), seed=11, max_attempts=3)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """One run in a journal of memory, and the models that it is made by."""

    def __init__(self, path: Path, *prompts: str | None, verdicts: Sequence[Verdict] = (), **fakes) -> None:
        self.planner = FakePlanner(
            steps_of(*prompts), **{k: fakes.pop(k) for k in ("breaks", "breaks_after") if k in fakes}
        )
        self.critic = FakeCritic(verdicts)
        self.generator = FakeGenerator(DirectoryBlobs(path), **fakes)

    async def work(self, past: Sequence[Event]) -> list[Event]:
        """All the run's events after a round of work on it, as `runs` does it."""
        events = [*past]

        async def record(event: Event) -> None:
            events.append(event)

        now = round_of(told(past))
        replay = Replay(
            now.past, planner=self.planner, generator=self.generator, critic=self.critic, record=record,
            replan=not now.ground.wished_only, written=now.written,
        )  # fmt: skip
        ports = {"planner": replay.planner, "generator": replay.generator, "critic": replay.critic}
        try:
            await record(Started())
            if now.request.review_plan and not now.approved:
                await write_plan(now.request, replay.planner, replay.record)
                return [*events, PlanAwaited()]
            await interleave(now.request, **ports, record=replay.record, elapsed=lambda: 0.0, ground=now.ground)
        except InterleaveError as error:
            return [*events, Finished(status=Status.PARTIAL, problem=Problem(code=error.code, detail=error.detail))]
        return [*events, Finished(status=Status.SUCCEEDED)]

    async def made(self, request: InterleaveRequest = ASK) -> list[Event]:
        return await self.work([Created(request=request)])

    async def at_every_cut(self, past: Sequence[Event]) -> list[Event]:
        """The round's events, after proving that a crash after any of them changes nothing."""
        whole = await self.work(past)
        expected = document(whole).digest
        for cut in range(len(past), len(whole)):
            self.generator.asked.clear()
            again = await self.work(whole[:cut])
            assert document(again).digest == expected, f"cut after {cut} events"
            recorded = [event.job.id for event in whole[:cut] if isinstance(event, Drawn)]
            assert not {job.id for job in self.generator.asked} & set(recorded), "a recorded drawing was asked for"
            numbers = [(event.step, event.number) for event in again if isinstance(event, Drawn)]
            assert len(numbers) == len(set(numbers)), "an attempt is committed twice"
        return whole


def told(events: Sequence[Event]) -> list[Recorded]:
    return [Recorded(run_id="run_1", seq=seq, at=NOW, event=event) for seq, event in enumerate(events, 1)]


def document(events: Sequence[Event]) -> Document:
    return fold(told(events))


def drawn(events: Sequence[Event]) -> list[tuple[int, int, str]]:
    return [(event.step, event.number, event.job.prompt) for event in events if isinstance(event, Drawn)]


async def test_a_redrawn_step_keeps_its_old_attempts_and_later_ones_are_stale(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c", verdicts=[ACCEPT, revise("b, better"), ACCEPT, ACCEPT])
    first = await world.made()
    past = [*first, *redraw(document(first), 2, prompt="a blue b")]
    during = document(past)
    assert (during.status, during.steps[1].kept, during.steps[1].reopened.first) == ("queued", 2, 3)
    whole = await world.at_every_cut(past)
    assert drawn(whole[len(past) :]) == [(2, 3, "a blue b")]
    after = document(whole)
    assert [attempt.number for attempt in after.steps[1].attempts] == [1, 2, 3]
    assert [attempt.asked for attempt in after.steps[1].attempts] == [None, None, "a blue b"]
    assert [(step.kept, step.stale) for step in after.steps] == [(1, False), (3, False), (1, True)]
    redrawn = next(event for event in whole[len(past) :] if isinstance(event, Drawn))
    assert redrawn.job.references == (after.steps[0].image,)
    assert world.critic.asked[-1].prompt == "a blue b", "the new prompt is what it is judged by"


async def test_later_steps_are_redrawn_when_asked_each_from_what_stands_now(tmp_path: Path):
    world = World(tmp_path, "a", "b", None, "c")
    first = await world.made()
    past = [*first, *redraw(document(first), 1, later="redraw", seed=5)]
    whole = await world.at_every_cut(past)
    assert drawn(whole[len(past) :]) == [(1, 2, "a"), (2, 2, "b"), (4, 2, "c")]
    after = document(whole)
    assert not any(step.stale for step in after.steps)
    assert after.steps[3].attempt.references == (after.steps[1].image,)
    assert world.planner.asked == 1


async def test_a_kept_attempt_brings_back_what_was_drawn_from_it(tmp_path: Path):
    world = World(tmp_path, "a", "b")
    first = await world.made()
    again = await world.work([*first, *redraw(document(first), 1)])
    assert [step.stale for step in document(again).steps] == [False, True]
    kept = [*again, keep(document(again), 1, 1)]
    after = document(kept)
    assert [(step.kept, step.chosen, step.stale) for step in after.steps] == [(1, True, False), (1, False, False)]
    further = await world.at_every_cut([*kept, *redraw(after, 2)])
    assert document(further).steps[1].attempt.references == (document(first).steps[0].image,)


async def test_a_redraw_that_is_never_accepted_keeps_the_best_of_its_own(tmp_path: Path):
    world = World(tmp_path, "a", verdicts=[ACCEPT, revise("a1", 0.9), revise("a2", 0.6)])
    first = await world.made()
    whole = await world.at_every_cut([*first, *redraw(document(first), 1, max_attempts=2)])
    assert [event for event in whole if isinstance(event, StepFinished)][-1] == StepFinished(
        step=1, kept=3, accepted=False
    )


async def test_a_redraw_leaves_alone_what_was_never_drawn_unless_asked(tmp_path: Path):
    world = World(tmp_path, "a", "the impossible", "c", broken=["the impossible"])
    first = await world.made()
    assert document(first).status == "partial"
    alone = await world.at_every_cut([*first, *redraw(document(first), 1)])
    assert [step.finished for step in document(alone).steps] == [True, False, False]
    mended = [*alone, *redraw(document(alone), 2, prompt="the possible", later="redraw")]
    whole = await world.at_every_cut(mended)
    assert drawn(whole[len(mended) :]) == [(2, 1, "the possible"), (3, 1, "c")]
    assert [(step.finished, step.stale) for step in document(whole).steps] == [(True, False)] * 3


async def test_a_redraw_never_asks_the_planner_for_the_rest_of_a_broken_plan(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c", breaks=DrawFailed("gone"), breaks_after=2)
    first = await world.made()
    assert [step.finished for step in document(first).steps] == [True, True]
    await world.at_every_cut([*first, *redraw(document(first), 1, later="redraw")])
    assert world.planner.asked == 1


async def test_a_canceled_redraw_is_no_longer_wanted(tmp_path: Path):
    world = World(tmp_path, "a", "b")
    first = await world.made()
    canceled = [*first, *redraw(document(first), 1), Finished(status=Status.CANCELED)]
    assert document(canceled).steps[0].reopened is None
    whole = await world.work([*canceled, *redraw(document(canceled), 2)])
    assert drawn(whole[len(canceled) :]) == [(2, 2, "b")]


async def test_redraws_of_different_steps_in_turn(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c", verdicts=[ACCEPT, ACCEPT, ACCEPT, revise("b2"), revise("b3")])
    events = await world.made()
    for step in (2, 1, 3, 1):
        events = await world.at_every_cut([*events, *redraw(document(events), step, max_attempts=2)])
    assert [len(step.attempts) for step in document(events).steps] == [3, 3, 2]


async def test_a_budget_counts_redraws_too(tmp_path: Path):
    request = ASK.model_copy(update={"budget": Budget(max_draws=2)})
    world = World(tmp_path, "a", "b")
    first = await world.made(request)
    assert document(first).status == "succeeded"
    with pytest.raises(Conflict, match=r"max_draws = 2 drawings are spent; give a higher `budget`"):
        has_budget(document(first).request.budget, 2)
    wish = redraw(document(first), 1, budget=Budget(max_draws=3), later="redraw")
    whole = await world.at_every_cut([*first, *wish])
    after = document(whole)
    assert after.request.budget.max_draws == 3
    assert [len(step.attempts) for step in after.steps] == [2, 1] and after.problem.code == "budget_spent"
    assert after.steps[1].kept == 1 and after.steps[1].stale, "what stood before still stands"


async def test_a_branch_shares_what_stands_before_it(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c", verdicts=[ACCEPT, revise("b2")])
    origin = await world.made()
    begun = branch(document(origin), told(origin), 3)
    request = ASK.model_copy(update={"seed": 12})
    whole = await world.at_every_cut([Created(request=request), *begun])
    assert isinstance(begun[-1], Branched)
    assert drawn(whole[len(begun) + 1 :]) == [(3, 1, "c")]
    old, new = document(origin), document(whole)
    assert new.steps[:2] == old.steps[:2] and new.steps[2].image != old.steps[2].image
    assert (new.origin.run_id, new.origin.from_step) == ("run_1", 3)
    assert world.planner.asked == 1
    limited = Created(request=request.model_copy(update={"budget": Budget(max_draws=1)}))
    assert document(await world.work([limited, *begun])).status == "succeeded", "shared drawings cost nothing"


async def test_a_branch_may_take_another_way(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c")
    origin = await world.made()
    other = [Step(index=2, prompt="x"), Step(index=3, prompt="y"), Step(index=4, prompt="z")]
    whole = await world.at_every_cut([Created(request=ASK), *branch(document(origin), told(origin), 2, other)])
    assert [step.attempt.prompt for step in document(whole).steps] == ["a", "x", "y", "z"]
    with pytest.raises(BadRequest, match="without a gap"):
        branch(document(origin), told(origin), 2, [Step(index=7, prompt="x")])


async def test_what_cannot_be_branched(tmp_path: Path):
    world = World(tmp_path, "a", "the impossible", "c", broken=["the impossible"])
    cut = await world.made()
    with pytest.raises(Conflict, match="steps 2 before step 3 are not finished"):
        branch(document(cut), told(cut), 3)
    with pytest.raises(NotFound):
        branch(document(cut), told(cut), 9)
    with pytest.raises(Conflict, match="not whole"):
        short = [event for event in cut if event.type != "planned"]
        branch(document(short), told(short), 1)


async def test_the_plan_is_drawn_only_when_it_is_approved(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c")
    request = ASK.model_copy(update={"review_plan": True})
    waiting = await world.made(request)
    assert document(waiting).status == "waiting" and drawn(waiting) == []
    edited = [*waiting, edit_plan(document(waiting), [Step(index=1, prompt="a"), Step(index=2, prompt="x")])]
    assert [step.step.prompt for step in document(edited).steps] == ["a", "x"]
    whole = await world.at_every_cut([*edited, PlanApproved()])
    assert drawn(whole) == [(1, 1, "a"), (2, 1, "x")]
    assert world.planner.asked == 1
    with pytest.raises(BadRequest, match="max_steps"):
        edit_plan(document(waiting), [Step(index=index, prompt="p") for index in range(1, 27)])


async def test_pinned_references_go_with_every_drawing(tmp_path: Path):
    world = World(tmp_path, "a", "b")
    style = (await world.generator.draw_one("the style")).image
    whole = await world.made(ASK.model_copy(update={"references": (style,)}))
    first, second = [event for event in whole if isinstance(event, Drawn)]
    assert first.job.references == (style,)
    assert second.job.references == (first.drawing.image, style)
    assert [critique.before for critique in world.critic.asked] == [None, first.drawing.image]
    assert not any(step.stale for step in document(whole).steps)
    assert style.digest in document(whole).images


async def test_a_document_is_gone_on_from_with_all_it_has(tmp_path: Path):
    given = ImageRef(digest="e" * 64, width=8, height=8)
    world = World(tmp_path, "a", None, "b")
    whole = await world.made(ASK)
    after = continued(document(whole), "now at night <image>")
    assert after.brief.images == tuple(step.image for step in document(whole).steps if step.image)
    assert after.brief.prompt == "a story\nStep 1: Now a\n<image>\nStep 3: Now b\n<image>\nnow at night  "
    request = ASK.model_copy(update={"brief": Brief(prompt="on", images=(given,))})
    with_image = document(whole).model_copy(update={"request": request})
    assert continued(with_image, "more").brief.prompt.startswith("<image>on\nStep 1")
    with pytest.raises(Conflict, match="no picture"):
        continued(document([Created(request=ASK)]), "more")


async def test_what_cannot_be_kept_or_redrawn(tmp_path: Path):
    world = World(tmp_path, "a", None)
    made = document(await world.made())
    with pytest.raises(NotFound, match="no attempt 7; it has 1"):
        keep(made, 1, 7)
    with pytest.raises(NotFound, match="no step 9"):
        redraw(made, 9)
    with pytest.raises(Conflict, match="words only"):
        redraw(made, 2)
    assert redraw(made, 2, prompt="a picture of it") == [StepReopened(step=2, prompt="a picture of it")]


async def test_an_inserted_step_is_drawn_from_the_picture_before_it_and_the_rest_is_stale(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c", verdicts=[ACCEPT, ACCEPT, ACCEPT, revise("x, better")])
    first = await world.made()
    past = [*first, *insert(document(first), told(first), Step(index=1, name="new", prompt="x"), after=1)]
    whole = await world.at_every_cut(past)
    assert drawn(whole[len(past) :]) == [(4, 1, "x"), (4, 2, "x, better")]
    after = document(whole)
    assert [(e.step.index, e.number, e.stale) for e in after.steps] == [
        (1, 1, False), (4, 2, False), (2, 3, True), (3, 4, True),
    ]  # fmt: skip
    assert after.steps[1].attempt.references == (after.steps[0].image,)
    assert world.planner.asked == 1


async def test_an_inserted_first_step_and_all_after_it_drawn_again(tmp_path: Path):
    world = World(tmp_path, "a", None, "b")
    first = await world.made()
    wish = insert(document(first), told(first), Step(index=1, prompt="x"), after=0, later="redraw", max_attempts=1)
    past = [*first, *wish]
    whole = await world.at_every_cut(past)
    assert drawn(whole[len(past) :]) == [(4, 1, "x"), (1, 2, "a"), (3, 2, "b")]
    after = document(whole)
    assert after.steps[0].attempt.references == () and not any(step.stale for step in after.steps)
    assert after.steps[1].attempt.references == (after.steps[0].image,)


async def test_a_step_in_words_is_there_at_once_and_can_be_drawn_later(tmp_path: Path):
    world = World(tmp_path, "a", "b")
    first = await world.made()
    past = [*first, *insert(document(first), told(first), Step(index=1, auxiliary_text="Rest."), after=1)]
    after = document(past)
    assert after.status == "succeeded" and after.steps[1].finished and not any(step.stale for step in after.steps)
    assert after.digest != document(first).digest
    again = await world.at_every_cut([*past, *redraw(after, 3, prompt="a chair")])
    assert [step.stale for step in document(again).steps] == [False, False, True]


async def test_the_order_is_what_everything_follows(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c", "d")
    first = await world.made()
    past = [*first, *arrange(document(first), (3, 1, 2, 4))]
    past += delete(document(past), 4)
    moved = document(past)
    assert [(e.step.index, e.number, e.stale) for e in moved.steps] == [(3, 1, True), (1, 2, True), (2, 3, True)]
    assert [entry.step.index for entry in moved.deleted] == [4]
    again = await world.at_every_cut([*past, *redraw(moved, 3, later="redraw")])
    assert drawn(again[len(past) :]) == [(3, 2, "c"), (1, 2, "a"), (2, 2, "b")]
    after = document(again)
    assert not any(step.stale for step in after.steps) and after.steps[0].attempt.references == ()
    back = [*again, *arrange(after, (3, 1, 2, 4))]
    assert [(e.step.index, e.stale) for e in document(back).steps] == [(3, False), (1, False), (2, False), (4, True)]
    assert continued(after, "more").brief.prompt.startswith("a story\nStep 1: Now c\n<image>\nStep 2: Now a")
    undone = [*past, *arrange(moved, (1, 2, 3, 4))]
    assert document(undone).digest == document(first).digest and not document(undone).steps[3].stale


async def test_an_order_names_every_step_once(tmp_path: Path):
    world = World(tmp_path, "a", "b")
    made = document(await world.made())
    assert arrange(made, (1, 2)) == []
    for order, words in (
        ((1, 2, 9), "has no step 9; it has 1, 2"),
        ((1, 1, 2), "1 came more than"),
        ((2,), "1 is mis"),
    ):
        with pytest.raises(BadRequest, match=words):
            arrange(made, order)
    with pytest.raises(Conflict, match="only one"):
        delete(document(await World(tmp_path, "a").made()), 1)
    with pytest.raises(NotFound, match="no step 7"):
        insert(made, told(await world.made()), Step(index=1, prompt="x"), after=7)


async def test_a_branch_of_a_moved_document_numbers_its_steps_anew(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c")
    first = await world.made()
    past = [*first, *reword(document(first), 2, {"prompt": "b, by night", "name": "night"})]
    past += arrange(document(past), (2, 1, 3))
    past += insert(document(past), told(past), Step(index=1, name="pause"), after=2)
    begun = branch(document(past), told(past), 3)
    whole = await world.at_every_cut([Created(request=ASK), *begun])
    new = document(whole)
    assert [(e.step.index, e.step.name, e.number) for e in new.steps] == [
        (1, "night", 1), (2, "pause", 2), (3, "step 1", 3), (4, "step 3", 4),
    ]  # fmt: skip
    assert new.origin.from_step == 4 and new.steps[0].reworded and new.steps[0].attempt.asked == "b"
    assert [step.image for step in new.steps[:3]] == [step.image for step in document(past).steps[:3]]
    assert drawn(whole)[-1] == (4, 1, "c")
    other = branch(document(past), told(past), 3, [Step(index=4, prompt="y"), Step(index=5, prompt="z")])
    elsewhere = document(await world.work([Created(request=ASK), *other]))
    assert [e.attempt and e.attempt.prompt for e in elsewhere.steps] == ["b", None, "a", "y", "z"]


async def test_edited_texts_draw_nothing_and_a_new_prompt_waits_for_its_redraw(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c")
    first = await world.made()
    assert reword(document(first), 2, {"name": "step 2"}) == []
    named = [*first, *reword(document(first), 2, {"name": "Two", "instruction": None})]
    entry = document(named).steps[1]
    assert (entry.step.name, entry.step.instruction, entry.step.prompt, entry.stale) == ("Two", None, "b", False)
    past = [*named, *reword(document(named), 2, {"prompt": "b, blue"})]
    assert [(e.reworded, e.stale) for e in document(past).steps] == [(False, False), (True, True), (False, True)]
    assert document(past).steps[1].attempts[0].asked == "b", "what the picture was asked for stays with it"
    back = [*past, *reword(document(past), 2, {"prompt": "b"})]
    assert not any(step.stale for step in document(back).steps)
    whole = await world.at_every_cut([*past, *redraw(document(past), 2)])
    assert drawn(whole[len(past) :]) == [(2, 2, "b, blue")]
    assert [(e.reworded, e.stale) for e in document(whole).steps] == [(False, False), (False, False), (False, True)]


async def test_pinned_pictures_of_the_document_go_with_later_drawings(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c")
    first = await world.made()
    hero, other = document(first).steps[0].image, document(first).steps[2].image
    past = [*first, *pin(document(first), (hero,))]
    assert document(past).request.references == (hero,) and not any(step.stale for step in document(past).steps)
    whole = await world.at_every_cut([*past, *redraw(document(past), 3)])
    again = document(whole)
    assert again.steps[2].attempt.references == (again.steps[1].image, hero)
    assert again.steps[2].attempt.canvas == again.steps[1].image and not again.steps[2].stale
    own = await world.at_every_cut([*whole, *redraw(again, 1, references=(other,), later="redraw")])
    after = document(own)
    assert after.steps[0].attempt.references == (other,) and after.steps[0].attempt.canvas is None
    assert after.steps[1].attempt.references == (after.steps[0].image, hero)
    assert not any(step.stale for step in after.steps) and other.digest in after.images
    once_more = await world.work([*own, *redraw(after, 1)])
    assert document(once_more).steps[0].attempt.references == (other,), "the step keeps its own choice"
    asked = Created(request=after.request.model_copy(update={"references": first_references(told(own))}))
    branched = document(await world.work([asked, *branch(after, told(own), 3)]))
    assert not any(step.stale for step in branched.steps) and branched.request.references == (hero,)


@pytest.mark.parametrize("change", ["reword", "pin", "arrange", "insert"])
async def test_open_attempts_are_not_gone_on_with_after_a_change(tmp_path: Path, change: str):
    """A run that its budget cut inside a step is changed, then resumed: the step is drawn anew, its numbers go on."""
    world = World(tmp_path, "a", "b", "c", verdicts=[ACCEPT, ACCEPT, *[revise("c, better")] * 2])
    first = await world.made(ASK.model_copy(update={"budget": Budget(max_draws=3)}))
    cut = document(first)
    assert (cut.status, len(cut.steps[2].attempts)) == ("partial", 1)
    wish = {
        "reword": lambda: reword(cut, 3, {"prompt": "x"}),
        "pin": lambda: pin(cut, (cut.steps[0].image,)),
        "arrange": lambda: arrange(cut, (2, 1, 3)),
        "insert": lambda: insert(cut, told(first), Step(index=1, name="words"), after=2),
    }[change]()
    past = [*first, *wish, Resumed(budget=Budget(max_draws=20))]
    whole = await world.at_every_cut(past)
    after = document(whole)
    assert after.status == "succeeded" and all(step.finished for step in after.steps)
    numbers = [attempt.number for step in after.steps for attempt in step.attempts if step.step.index == 3]
    assert numbers[:2] == [1, 2] and len(set(numbers)) == len(numbers)


async def test_a_plan_that_was_cut_half_way_is_gone_on_with_after_edits(tmp_path: Path):
    world = World(tmp_path, "a", "b", "c", breaks=DrawFailed("gone"), breaks_after=2)
    first = await world.made()
    with pytest.raises(Conflict, match="not whole"):
        insert(document(first), told(first), Step(index=1, prompt="x"), after=1)
    past = [*first, *reword(document(first), 1, {"name": "One"}), *arrange(document(first), (2, 1)), Resumed()]
    world.planner.breaks = None
    whole = await world.at_every_cut(past)
    assert [(e.step.index, e.step.name) for e in document(whole).steps] == [(2, "step 2"), (1, "One"), (3, "step 3")]
    assert document(whole).status == "succeeded"


async def test_a_canceled_insert_leaves_an_open_step_that_can_go(tmp_path: Path):
    world = World(tmp_path, "a", "b")
    first = await world.made()
    past = [*first, *insert(document(first), told(first), Step(index=1, prompt="x"), after=1)]
    past += [Started(), Finished(status=Status.CANCELED)]
    open_step = document(past).steps[1]
    assert not open_step.finished and open_step.reopened is None
    gone = document([*past, *delete(document(past), 3)])
    assert gone.digest == document(first).digest
    whole = await world.at_every_cut([*past, *redraw(document(past), 3)])
    assert drawn(whole[len(past) :]) == [(3, 1, "x")]


async def test_edits_of_a_waiting_plan_are_what_is_drawn(tmp_path: Path):
    world = World(tmp_path, "a", "b")
    waiting = await world.made(ASK.model_copy(update={"review_plan": True}))
    past = [*waiting, *reword(document(waiting), 2, {"prompt": "x"}), PlanApproved()]
    whole = await world.at_every_cut(past)
    assert drawn(whole) == [(1, 1, "a"), (2, 1, "x")] and not any(step.stale for step in document(whole).steps)
