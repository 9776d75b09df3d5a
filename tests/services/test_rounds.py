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
    Started,
    Status,
    StepFinished,
    StepReopened,
)
from interleavethinker.types import Brief, Budget, ImageRef, InterleaveRequest, Step, Verdict
from services.orchestrator.edits import branch, continued, edit_plan, has_budget, keep, redraw
from services.orchestrator.loop import interleave
from services.orchestrator.replay import Replay
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
            replan=not now.ground.wished_only,
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
