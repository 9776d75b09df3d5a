"""The journal's contract, on every database: SQLite files, and Postgres where there is one (tests/conftest.py)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from interleavethinker.errors import BadRequest, BadSettings, Conflict, NotFound
from interleavethinker.events import (
    Arranged,
    Created,
    Drawn,
    Event,
    Finished,
    Problem,
    Recorded,
    Resumed,
    Started,
    Status,
    StepEdited,
    StepFinished,
    StepInserted,
    StepPlanned,
)
from interleavethinker.types import Brief, Budget, Drawing, ImageJob, ImageRef, InterleaveRequest, Step
from services.orchestrator.journal import Journal

ASK = InterleaveRequest(brief=Brief(prompt="a snowman ☃"), seed=5)
DONE = Finished(status=Status.SUCCEEDED)


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
async def journal(url: str) -> AsyncIterator[Journal]:
    async with Journal(url) as opened:
        yield opened


async def collect(journal: Journal, run_id: str, after: int = 0) -> list[Recorded]:
    return [recorded async for recorded in journal.follow(run_id, after=after)]


async def test_a_run_begins_with_its_request(journal: Journal):
    run_id = await journal.create(ASK)
    (recorded,) = await journal.events(run_id)
    assert (recorded.run_id, recorded.seq, recorded.event) == (run_id, 1, Created(request=ASK))
    run = await journal.run(run_id)
    assert (run.status, run.request) == (Status.QUEUED, ASK)
    assert run.created_at == recorded.at and recorded.at.tzinfo is not None


async def test_events_are_numbered_and_come_back_as_they_were(journal: Journal):
    run_id = await journal.create(ASK)
    said: list[Event] = [
        Started(),
        StepPlanned(step=Step(index=1, prompt="ein Hügel\u2028☃")),
        StepFinished(step=1, kept=1),
    ]
    told = [await journal.append(run_id, event) for event in said]
    assert [recorded.event for recorded in told] == said
    assert [recorded.seq for recorded in told] == [2, 3, 4]
    assert await journal.events(run_id, after=1) == told
    assert await journal.events(run_id, after=3) == told[2:]


async def test_the_status_follows_the_events(journal: Journal):
    run_id = await journal.create(ASK)
    for event, status in [(Started(), "processing"), (StepFinished(step=1), "processing"), (DONE, "succeeded")]:
        await journal.append(run_id, event)
        assert (await journal.run(run_id)).status == status


async def test_nothing_comes_after_the_end(journal: Journal):
    run_id = await journal.create(ASK)
    await journal.append(run_id, Finished(status=Status.CANCELED))
    for event in (Started(), DONE):
        with pytest.raises(Conflict, match="canceled"):
            await journal.append(run_id, event)
    assert len(await journal.events(run_id)) == 2


async def test_unknown_runs_are_not_found(journal: Journal):
    for answer in (
        journal.run("run_no"),
        journal.events("run_no"),
        journal.append("run_no", Started()),
        collect(journal, "run_no"),
    ):
        with pytest.raises(NotFound):
            await answer


async def test_many_writers_leave_no_gap(journal: Journal, url: str):
    """Also when another process writes: a second journal on the same database stands for it."""
    run_ids = [await journal.create(ASK) for _ in range(3)]
    async with Journal(url) as other:
        writers = [
            place.append(run_id, StepFinished(step=step))
            for step in range(1, 9)
            for run_id in run_ids
            for place in (journal, other)
        ]
        await asyncio.gather(*writers)
    for run_id in run_ids:
        events = await journal.events(run_id)
        assert [recorded.seq for recorded in events] == list(range(1, 18))


async def test_of_two_ends_one_is_taken(journal: Journal, url: str):
    run_id = await journal.create(ASK)
    async with Journal(url) as other:
        ends = (journal.append(run_id, DONE), other.append(run_id, Finished(status=Status.CANCELED)))
        outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Recorded, Conflict}
    assert len(await journal.events(run_id)) == 2


async def test_followers_see_everything_once_in_order(journal: Journal):
    run_id = await journal.create(ASK)
    followers = [asyncio.create_task(collect(journal, run_id, after)) for after in (0, 0, 2)]
    for number in range(1, 6):
        await journal.append(run_id, StepFinished(step=number))
        await asyncio.sleep(0)
    await journal.append(run_id, DONE)
    whole, again, late = await asyncio.wait_for(asyncio.gather(*followers), 60)
    assert whole == again == await journal.events(run_id)
    assert late == whole[2:]


async def test_a_follower_is_woken_and_does_not_wait_for_its_poll(url: str):
    async with Journal(url, poll=3600) as journal:
        run_id = await journal.create(ASK)
        waiting = asyncio.ensure_future(anext(journal.follow(run_id, after=1)))
        await asyncio.sleep(0.1)
        told = await journal.append(run_id, Started())
        assert await asyncio.wait_for(waiting, 60) == told


async def test_a_follower_sees_what_another_process_wrote(journal: Journal, url: str):
    run_id = await journal.create(ASK)
    following = asyncio.create_task(collect(journal, run_id))
    async with Journal(url) as other:
        await other.append(run_id, DONE)
    assert len(await asyncio.wait_for(following, 60)) == 2


async def test_following_an_ended_run_ends(journal: Journal):
    run_id = await journal.create(ASK)
    await journal.append(run_id, DONE)
    assert len(await asyncio.wait_for(collect(journal, run_id), 60)) == 2
    assert await asyncio.wait_for(collect(journal, run_id, after=2), 60) == []


async def test_what_its_caller_deletes_is_gone(journal: Journal):
    run_id = await journal.create(ASK)
    assert not await journal.forget(run_id)  # it has not ended
    await journal.append(run_id, DONE)
    assert await journal.forget(run_id)
    for reading in (journal.run(run_id), journal.events(run_id)):
        with pytest.raises(NotFound):
            await reading
    assert not await journal.forget(run_id)


async def test_what_a_door_gives_back_is_kept_with_the_run(journal: Journal):
    begun = await journal.begin(ASK, door={"metadata": {"topic": "winter"}})
    (created,) = await journal.events(begun.run_id)
    assert created.event == Created(request=ASK, door={"metadata": {"topic": "winter"}})


async def test_the_list_is_newest_first_in_pages(journal: Journal):
    made = [await journal.create(ASK) for _ in range(5)]
    first = await journal.runs(limit=2)
    second = await journal.runs(limit=2, cursor=first.cursor)
    third = await journal.runs(limit=1, cursor=second.cursor)
    listed = [run.id for page in (first, second, third) for run in page.runs]
    assert listed == made[::-1]
    with pytest.raises(BadRequest, match="cursor"):
        await journal.runs(cursor="'; drop table runs")


async def test_the_last_page_has_no_cursor(tmp_path: Path):
    async with Journal(f"sqlite:///{tmp_path}/other.db") as journal:
        assert await journal.runs() == ([], None)
        await journal.create(ASK)
        assert (await journal.runs(limit=1)).cursor is None


async def test_the_clock_is_the_databases(journal: Journal):
    """Numbers and times come from the database, so replicas need not agree on the time."""
    run_id = await journal.create(ASK)
    told = [await journal.append(run_id, StepFinished(step=step)) for step in range(1, 4)]
    times = [recorded.at for recorded in told]
    assert times == sorted(times)
    assert abs((datetime.now(UTC) - times[0]).total_seconds()) < 120


async def test_a_run_that_was_cut_short_is_resumed(journal: Journal):
    run_id = await journal.create(ASK)
    with pytest.raises(Conflict, match="cut short"):
        await journal.wish(run_id, [Resumed()])
    cut = Finished(status=Status.PARTIAL, problem=Problem(code="unavailable", detail="gone"))
    await journal.append(run_id, cut)
    following = asyncio.create_task(collect(journal, run_id))
    assert [recorded.event.type for recorded in await asyncio.wait_for(following, 60)] == ["created", "finished"]
    await journal.wish(run_id, [Resumed(budget=Budget(max_draws=3))])
    document = await journal.document(run_id)
    assert (document.status, document.problem, document.finished_at) == (Status.QUEUED, None, None)
    assert document.request == ASK.model_copy(update={"budget": Budget(max_draws=3)})
    following = asyncio.create_task(collect(journal, run_id))
    await journal.append(run_id, Started())
    await journal.append(run_id, DONE)
    told = [recorded.event.type for recorded in await asyncio.wait_for(following, 60)]
    assert told == ["created", "finished", "resumed", "started", "finished"], "an end that was resumed is no end"
    with pytest.raises(Conflict, match="succeeded"):
        await journal.wish(run_id, [Resumed()])
    with pytest.raises(NotFound):
        await journal.wish("run_no", [Resumed()])


async def test_it_outlives_its_process(url: str):
    async with Journal(url) as first:
        run_id = await first.create(ASK)
        await first.append(run_id, Started())
    async with Journal(url) as second:
        assert [recorded.event.type for recorded in await second.events(run_id)] == ["created", "started"]
        assert await second.ready() == []


async def test_a_writer_canceled_in_the_middle_keeps_nobody_else_from_writing(url: str):
    chance = random.Random(1)
    async with Journal(url) as one, Journal(url) as other:
        canceled, run_id = await one.create(ASK), await one.create(ASK)
        for _ in range(80):
            writing = asyncio.create_task(one.append(canceled, Started()))
            await asyncio.sleep(chance.random() * 0.006)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await other.append(run_id, Started())  # a lock that is never let go is an error after 15 s
        assert [each.seq for each in await other.events(canceled)] == list(
            range(1, len(await other.events(canceled)) + 1)
        )
        assert len(await other.events(run_id)) == 81


@pytest.mark.parametrize("wrong", ["mysql://root@host/db", "sqlite://", "sqlite:///:memory:", "journal.db"])
def test_a_wrong_url_says_what_to_write(wrong: str):
    with pytest.raises(BadSettings, match=r"sqlite:///path/to/journal\.db"):
        Journal(wrong)


async def test_a_runs_card_follows_its_events(journal: Journal):
    run_id = await journal.create(ASK)
    for event in (StepPlanned(step=Step(index=1, name="Der Hügel", prompt="a")), StepPlanned(step=Step(index=2))):
        await journal.append(run_id, event)
    assert ((await journal.run(run_id)).title, (await journal.run(run_id)).steps) == ("a snowman ☃", 2)
    image = ImageRef(digest="a" * 64, width=8, height=8)
    job = ImageJob(prompt="a", seed=1)
    await journal.append(run_id, Drawn(step=1, number=1, job=job, drawing=Drawing(job_id=job.id, image=image)))
    assert (await journal.run(run_id)).cover is None
    await journal.append(run_id, StepFinished(step=1, kept=1))
    assert (await journal.run(run_id)).cover == "a" * 64
    await journal.append(run_id, DONE)
    await journal.wish(run_id, [StepEdited(step=Step(index=1, name="50%_off", prompt="a"))])
    await journal.wish(run_id, [Arranged(order=(1,))])
    assert (await journal.run(run_id)).steps == 1
    for search, hits in {"SNOWMAN": 1, "50%_OFF": 1, "50__off": 0, "hügel": 0, "\\": 0, "  ": 1, "\0": 1}.items():
        assert len((await journal.runs(search=search)).runs) == hits, search


async def test_a_wish_made_in_the_light_of_old_events_is_refused(journal: Journal, url: str):
    run_id = await journal.create(ASK)
    await journal.append(run_id, StepPlanned(step=Step(index=1)))
    await journal.append(run_id, DONE)
    async with Journal(url) as other:
        wishes = [
            place.wish(run_id, [StepInserted(step=Step(index=2, name=name), after=1)], seen=3)
            for place, name in ((journal, "one"), (other, "two"))
        ]
        outcomes = await asyncio.gather(*wishes, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Begun", "Changed"]
    assert len(await journal.events(run_id)) == 4
