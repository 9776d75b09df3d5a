"""Resume: a run cut after any of its events becomes the same document, and nothing is drawn or asked twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.document import Document, fold
from interleavethinker.errors import Conflict
from interleavethinker.events import Created, Drawn, Event, Judged, Planned, Recorded, StepPlanned
from interleavethinker.types import Brief, Budget, InterleaveRequest, Outcome, Step, Verdict
from services.orchestrator.loop import interleave
from services.orchestrator.replay import Replay
from services.orchestrator.rules import BudgetSpent
from tests.fakes import ABSTAIN, ACCEPT, FakeCritic, FakeGenerator, FakePlanner, revise, steps_of

ASK = InterleaveRequest(brief=Brief(prompt="a story"), seed=11, max_attempts=3)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A planner, a critic and a generator that outlive the orchestrator, as they do when it is killed."""

    def __init__(self, path: Path, steps: Sequence[Step], verdicts: Sequence[Verdict] = (), pause: float = 0.0) -> None:
        self.planner = FakePlanner(steps, pause=pause)
        self.critic = FakeCritic(verdicts)
        self.generator = FakeGenerator(DirectoryBlobs(path), pause=pause)

    def forget_calls(self) -> None:
        self.planner.asked = 0
        self.critic.asked.clear()
        self.generator.asked.clear()

    async def run(
        self, past: Sequence[Event] = (), request: InterleaveRequest = ASK, seconds: float = 0.0
    ) -> list[Event]:
        """The run's events, the past ones first."""
        events = list(past)

        async def record(event: Event) -> None:
            events.append(event)

        replay = Replay(past, planner=self.planner, generator=self.generator, critic=self.critic, record=record)
        ports = {"planner": replay.planner, "generator": replay.generator, "critic": replay.critic}
        try:
            elapsed = lambda: 0.0 if replay.generator.recorded else seconds  # noqa: E731
            await interleave(request, **ports, record=replay.record, elapsed=elapsed)
        except BudgetSpent:
            pass
        return events


def document(events: Sequence[Event], request: InterleaveRequest = ASK) -> Document:
    told = enumerate([Created(request=request), *events], 1)
    return fold([Recorded(run_id="run", seq=seq, at=NOW, event=event) for seq, event in told])


async def resume_at_every_prefix(world: World, request: InterleaveRequest = ASK) -> None:
    whole = await world.run(request=request)
    expected = document(whole, request).digest
    for cut in range(len(whole) + 1):
        past = whole[:cut]
        world.forget_calls()
        resumed = await world.run(past, request)
        assert document(resumed, request).digest == expected, f"cut after {cut} events"
        assert resumed[:cut] == past
        told = [event.model_copy(update={"seconds": 0.0}) if hasattr(event, "seconds") else event for event in resumed]
        assert len(told) == len({event.canonical() for event in told}), "an event is written twice"
        drawn = [event.job.id for event in past if isinstance(event, Drawn)]
        asked = [job.id for job in world.generator.asked]
        assert not set(asked) & set(drawn) and len(asked) == len(set(asked))
        judged = sum(isinstance(event, Judged) for event in past)
        assert len(world.critic.asked) == sum(isinstance(event, Judged) for event in whole) - judged
        assert world.planner.asked <= (not any(isinstance(event, Planned) for event in past))
    drawn = [job.id for job in world.generator.drawn]
    assert len(drawn) == len(set(drawn)), "a picture was drawn twice"


@pytest.mark.parametrize("pause", [0.0, 0.001], ids=["plan first", "plan while drawing"])
async def test_every_prefix_becomes_the_same_document(tmp_path: Path, pause: float):
    verdicts = [ACCEPT, revise("b2", 0.7), revise("b3", 0.6), revise("b4", 0.9), revise("c2"), ABSTAIN]
    await resume_at_every_prefix(World(tmp_path, steps_of("a", "b", None, "c", "d"), verdicts, pause))


async def test_every_prefix_of_a_run_that_its_budget_ends(tmp_path: Path):
    request = ASK.model_copy(update={"budget": Budget(max_draws=4)})
    await resume_at_every_prefix(World(tmp_path, steps_of("a", "b", "c"), [ACCEPT, *[revise("b2")] * 9]), request)


VERDICTS = st.builds(
    lambda outcome, confidence, prompt: Verdict(
        outcome=outcome, confidence=confidence, refined_prompt=prompt if outcome is Outcome.REVISE else None
    ),
    st.sampled_from(Outcome),
    st.none() | st.floats(0, 1),
    st.sampled_from(["a", "better", "best"]),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompts=st.lists(st.none() | st.sampled_from(["a", "b"]), min_size=1, max_size=3),
    verdicts=st.lists(VERDICTS, max_size=6),
    critic=st.sampled_from(["off", "quick", "strict"]),
    max_draws=st.none() | st.integers(1, 5),
)
async def test_whatever_the_critic_says(tmp_path: Path, prompts, verdicts, critic, max_draws):
    request = InterleaveRequest.model_validate(
        ASK.model_dump() | {"critic": critic, "budget": {"max_draws": max_draws}}
    )
    await resume_at_every_prefix(World(tmp_path, steps_of(*prompts), verdicts), request)


async def test_recorded_drawings_were_in_time(tmp_path: Path):
    """A run that was down for longer than its budget keeps what it had drawn, and draws no more."""
    world, request = World(tmp_path, steps_of("a", "b", "c")), ASK.model_copy(update={"budget": Budget(max_seconds=60)})
    whole = await world.run(request=request)
    second = [place for place, event in enumerate(whole) if isinstance(event, Drawn)][1]
    resumed = document(await world.run(whole[: second + 1], request, seconds=3600), request)
    assert [step.kept for step in resumed.steps] == [1, 1, None]


async def test_a_cut_plan_is_asked_for_again_and_goes_on_where_it_agrees(tmp_path: Path):
    world = World(tmp_path, steps_of("a", "b", "c"))
    cut = [StepPlanned(step=step) for step in steps_of("a", "b")]
    events = await world.run(cut)
    assert [event.step for event in events if isinstance(event, StepPlanned)] == list(steps_of("a", "b", "c"))
    assert world.planner.asked == 1


@pytest.mark.parametrize("other", [steps_of("a", "x", "c"), steps_of("a")], ids=["another step", "fewer steps"])
async def test_a_cut_plan_that_comes_back_another_leaves_its_recorded_steps_drawn(tmp_path: Path, other):
    world = World(tmp_path, other)
    events: list[Event] = [StepPlanned(step=step) for step in steps_of("a", "b")]
    past = list(events)

    async def record(event: Event) -> None:
        events.append(event)

    replay = Replay(past, planner=world.planner, generator=world.generator, critic=world.critic, record=record)
    with pytest.raises(Conflict, match="wrote another plan"):
        await interleave(
            ASK, planner=replay.planner, generator=replay.generator, critic=replay.critic, record=replay.record,
            elapsed=lambda: 0.0,
        )  # fmt: skip
    assert [(step.step.prompt, step.kept) for step in document(events).steps] == [("a", 1), ("b", 1)]


async def test_a_journal_of_another_loop_is_refused_before_anything_is_drawn(tmp_path: Path):
    world = World(tmp_path, steps_of("a", "b"))
    whole = await world.run()
    drawn = next(event for event in whole if isinstance(event, Drawn))
    foreign = drawn.model_copy(update={"job": drawn.job.model_copy(update={"seed": 1})})
    past = [foreign if event is drawn else event for event in whole]
    world.forget_calls()
    with pytest.raises(Conflict, match="journal and the loop disagree"):
        await world.run(past)
    assert world.generator.asked == []


async def test_a_recorded_event_that_does_not_follow_is_refused(tmp_path: Path):
    world = World(tmp_path, steps_of("a"), [revise("a2")])
    whole = await world.run()
    past = [event for event in whole if not (isinstance(event, Judged) and event.number == 1)]
    with pytest.raises(Conflict, match="journal and the loop disagree"):
        await world.run(past)
