"""Journals of real runs become examples: written by the orchestrator's own loop and journal, read by the school."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.codec import PlannerCodec, load_pack
from interleavethinker.document import Origin
from interleavethinker.errors import BadRequest, BadSettings
from interleavethinker.events import (
    AttemptKept,
    Finished,
    PlanApproved,
    PlanAwaited,
    PlanEdited,
    Planned,
    Status,
    StepPlanned,
    StepReopened,
)
from interleavethinker.types import Brief, CriticMode, InterleaveRequest, Outcome, Plan
from services.orchestrator.journal import Journal
from services.orchestrator.loop import interleave
from services.orchestrator.replay import Replay
from services.orchestrator.rounds import round_of
from tests.fakes import ACCEPT, FakeCritic, FakeGenerator, FakePlanner, revise, steps_of
from training.data.collect import Collector, Past, documents, read_labels
from training.data.collecting import collect, collect_tellings
from training.data.recipe import Making
from training.data.store import read_examples
from training.judge import Scores


async def run(journal: Journal, blobs: DirectoryBlobs, critic: FakeCritic, *prompts: str, mode=CriticMode.QUICK) -> str:
    """One run through the real loop into the real journal; its id."""
    request = InterleaveRequest(brief=Brief(prompt=f"show {prompts[0]}"), seed=3, max_attempts=3, critic=mode)
    run_id = await journal.create(request)

    async def record(event):
        await journal.append(run_id, event)

    await interleave(
        request, planner=FakePlanner(steps_of(*prompts)), generator=FakeGenerator(blobs), critic=critic, record=record,
        elapsed=lambda: 0.0,
    )  # fmt: skip
    await record(Finished(status=Status.SUCCEEDED))
    return run_id


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/journal.db"


async def collected(out: Path, url: str, collector: Collector, **options):
    said: list[str] = []
    cards = await collect(out, url, collector, making=Making(filtered=False), licence="MIT", say=said.append, **options)
    return {card.kind: card for card in cards}, said


async def test_runs_become_the_same_examples(url: str, tmp_path: Path, blobs: DirectoryBlobs):
    async with Journal(url) as journal:
        ids = [
            await run(journal, blobs, FakeCritic([revise("a big house"), ACCEPT]), f"a house {n}", "add a tree")
            for n in range(4)
        ]
    cards, _ = await collected(tmp_path / "out", url, Collector(blobs), rl_share=0.5, interleaved=1.0)
    planned = list(read_examples(tmp_path / "out" / "Interleave-Planner-SFT", "planner"))
    assert [row.task for row in planned] == ["plan", "continue"] * 4
    assert planned[0].prompt == "show a house 0" and [s.prompt for s in planned[0].plan.steps] == [
        "a house 0",
        "add a tree",
    ]
    assert [step.index for step in planned[1].plan.steps] == [2] and len(planned[1].images) == 1
    assert planned[1].prompt.count("<image>") == 1

    attempts = list(read_examples(tmp_path / "out" / "work" / "attempts", "attempts"))
    assert [(a.document, a.step, a.number) for a in attempts[:3]] == [(ids[0], 1, 1), (ids[0], 1, 2), (ids[0], 2, 1)]
    first, second, third = attempts[:3]
    assert (first.prompt, first.last_prompt, second.last_prompt) == ("a house 0", "a house 0", "a big house")
    assert first.before is None and third.before == second.after
    assert first.scores == Scores(semantics=2.0, quality=2.0, success=False)  # the critic was sure of it at 0.8
    assert second.scores == Scores(semantics=9.5, quality=9.5, success=True)
    assert {a.source for a in attempts} == {"journal:critic, derived scores"}
    assert cards["critic"].rows + cards["rl"].rows <= 12
    assert any("derived from the verdicts" in note for note in cards["rl"].notes)


async def test_a_persons_word_stands_above_the_critics(url: str, tmp_path: Path, blobs: DirectoryBlobs):
    async with Journal(url) as journal:
        one = await run(journal, blobs, FakeCritic([ACCEPT, revise("a cat, sitting"), ACCEPT]), "a dog", "a cat")
    labels = [
        {"run": one, "step": 1, "attempt": 1, "label": "edited", "prompt": "a brown dog"},
        {"run": one, "step": 2, "attempt": 1, "label": "approved"},
        {"run": one, "step": 2, "attempt": 2, "label": "rejected"},
        {"run": "run_other", "step": 1, "attempt": 1, "label": "rejected"},
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, labels)))
    collector = Collector(blobs, read_labels(tmp_path / "labels.jsonl"))
    _, said = await collected(tmp_path / "out", url, collector)
    attempts = list(read_examples(tmp_path / "out" / "work" / "attempts", "attempts"))
    assert [(a.step, a.number, a.verdict.outcome, a.verdict.refined_prompt, a.scores.success) for a in attempts] == [
        (1, 1, Outcome.REVISE, "a brown dog", False),
        (2, 1, Outcome.ACCEPT, None, True),
    ]  # the rejected one says no better prompt, and nobody drew another: left out
    assert {a.source for a in attempts} == {"journal:person, derived scores"}
    assert any("1 attempts without a judgement" in line for line in said)
    assert any("1 labels met no attempt" in line for line in said)


async def test_what_people_said_in_the_run_itself_is_a_label_too(url: str, tmp_path: Path, blobs: DirectoryBlobs):
    async with Journal(url) as journal:
        critic = FakeCritic([ACCEPT, revise("a cat, sitting"), ACCEPT])
        one = await run(journal, blobs, critic, "a dog", "a cat")
        await journal.wish(one, [AttemptKept(step=2, number=1, accepted=False)])
        await journal.wish(one, [StepReopened(step=1, prompt="a brown dog"), StepReopened(step=2)])
        await gone_on(journal, blobs, one)
    (past,) = [each async for each in documents(url, Counter())]
    assert {(label.step, label.attempt): (label.label, label.prompt) for label in past.labels.values()} == {
        (1, 1): ("edited", "a brown dog"),
        (2, 1): ("approved", None),
    }  # step 2 was drawn again from the same words: that says nothing about what stood
    branched = past.document.model_copy(update={"origin": Origin(run_id="run_other", from_step=2)})
    assert {record.step for record in await Collector(blobs).attempts(Past(branched))} == {2}
    await collected(tmp_path / "out", url, Collector(blobs))
    attempts = list(read_examples(tmp_path / "out" / "work" / "attempts", "attempts"))
    assert [(a.step, a.number, a.prompt, a.verdict.outcome, a.source.split(",")[0]) for a in attempts] == [
        (1, 1, "a dog", Outcome.REVISE, "journal:person"),
        (1, 2, "a brown dog", Outcome.ACCEPT, "journal:critic"),
        (2, 1, "a cat", Outcome.ACCEPT, "journal:person"),
        (2, 2, "a cat", Outcome.ACCEPT, "journal:critic"),
        (2, 3, "a cat", Outcome.ACCEPT, "journal:critic"),
    ]
    above = read_labels(_written(tmp_path, {"run": one, "step": 1, "attempt": 1, "label": "approved"}))
    await collected(tmp_path / "above", url, Collector(blobs, above))
    first = next(iter(read_examples(tmp_path / "above" / "work" / "attempts", "attempts")))
    assert first.verdict.outcome is Outcome.ACCEPT  # a label of the file stands above


async def gone_on(journal: Journal, blobs: DirectoryBlobs, run_id: str) -> None:
    """Another round of a run whose caller wished for one."""
    now = round_of(await journal.events(run_id))

    async def record(event):
        await journal.append(run_id, event)

    replay = Replay(
        now.past, planner=FakePlanner(()), generator=FakeGenerator(blobs), critic=FakeCritic(), record=record,
        replan=False,
    )  # fmt: skip
    await interleave(
        now.request, planner=replay.planner, generator=replay.generator, critic=replay.critic, record=replay.record,
        elapsed=lambda: 0.0, ground=now.ground,
    )  # fmt: skip
    await record(Finished(status=Status.SUCCEEDED))


async def test_a_plan_that_a_person_wrote_anew_is_learned_without_the_planners_thoughts(
    url: str, tmp_path: Path, blobs: DirectoryBlobs
):
    plan = Plan(steps=tuple(steps_of("a fox", "a den")))
    async with Journal(url) as journal:
        one = await journal.create(InterleaveRequest(brief=Brief(prompt="a story"), review_plan=True))
        for event in (*planned("a dog"), PlanAwaited()):
            await journal.append(one, event)
        await journal.wish(one, [PlanEdited(plan=plan)])
        await journal.wish(one, [PlanApproved()])
        await gone_on(journal, blobs, one)
    await collected(tmp_path / "out", url, Collector(blobs), interleaved=0.0)
    (row,) = read_examples(tmp_path / "out" / "Interleave-Planner-SFT", "planner")
    assert (row.plan, row.source) == (plan, "journal:person")
    assert PlannerCodec(load_pack("standard")).write(row.plan)


def planned(*prompts: str) -> list[StepPlanned | Planned]:
    steps = steps_of(*prompts)
    return [
        *(StepPlanned(step=step) for step in steps),
        Planned(plan=Plan(steps=tuple(steps), reasoning="a dog comes to mind")),
    ]


async def test_a_judge_scores_where_there_is_one(url: str, tmp_path: Path, blobs: DirectoryBlobs):
    class Five:
        async def score(self, critique):
            return Scores(semantics=5, quality=5, success=False)

    async with Journal(url) as journal:
        one = await run(journal, blobs, FakeCritic(), "a dog")
    label = read_labels(_written(tmp_path, {"run": one, "step": 1, "attempt": 1, "label": "approved"}))
    await collected(tmp_path / "out", url, Collector(blobs, label, Five()))
    (record,) = read_examples(tmp_path / "out" / "work" / "attempts", "attempts")
    assert record.source == "journal:person"
    assert record.scores == Scores(semantics=5, quality=5, success=True)  # whether it is right, the person said


def _written(tmp_path: Path, row: dict) -> Path:
    (tmp_path / "labels.jsonl").write_text(json.dumps(row))
    return tmp_path / "labels.jsonl"


async def test_what_nobody_judged_and_what_did_not_end_is_left_out(url: str, tmp_path: Path, blobs: DirectoryBlobs):
    async with Journal(url) as journal:
        await run(journal, blobs, FakeCritic(), "a dog", mode=CriticMode.OFF)
        await journal.create(InterleaveRequest(brief=Brief(prompt="never begun")))
    with pytest.raises(BadRequest, match="no finished run that anything can be learned from"):
        await collected(tmp_path / "out", url, Collector(blobs))


async def test_events_of_a_newer_journal_are_passed_over_and_broken_ones_told(url: str, blobs: DirectoryBlobs):
    async with Journal(url) as journal:
        one = await run(journal, blobs, FakeCritic(), "a dog")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
        db.execute(
            "INSERT INTO events SELECT run_id, 99, at, 'applauded', '{\"type\": \"applauded\"}' FROM events LIMIT 1"
        )
    skipped: Counter[str] = Counter()
    assert [past.document.run_id async for past in documents(url, skipped)] == [one]
    assert skipped == {"events of type applauded": 1}
    with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
        db.execute("UPDATE events SET body = '{' WHERE seq = 3")
    with pytest.raises(BadRequest, match=f"event 3 of {one} cannot be read"):
        [past async for past in documents(url, skipped)]


async def test_a_missing_picture_journal_or_label_is_told(url: str, tmp_path: Path, blobs: DirectoryBlobs):
    async with Journal(url) as journal:
        await run(journal, blobs, FakeCritic(), "a dog")
    with pytest.raises(BadRequest, match="is not in --blobs"):
        await collected(tmp_path / "out", url, Collector(DirectoryBlobs(tmp_path / "other")))
    with pytest.raises(BadSettings, match="there is no journal"):
        await collected(tmp_path / "out", f"sqlite:///{tmp_path}/none.db", Collector(blobs))
    with pytest.raises(BadSettings, match="write sqlite"):
        await collected(tmp_path / "out", "mysql://x/y", Collector(blobs))
    with pytest.raises(BadRequest, match=r"line 1: .*prompt that the person wrote"):
        read_labels(_written(tmp_path, {"run": "r", "step": 1, "attempt": 1, "label": "edited"}))


async def test_accepted_runs_become_sequences_for_unified_models(url: str, blobs: DirectoryBlobs):
    async with Journal(url) as journal:
        await run(journal, blobs, FakeCritic([revise("a large dog"), ACCEPT]), "a dog", "a cat")
        await run(journal, blobs, FakeCritic([revise("b")] * 9), "never right")
    (told,) = await collect_tellings(url, blobs)
    assert [[each.prompt for each in step.tries] for step in told.steps] == [["a dog", "a large dog"], ["a cat"]]
