"""An event is one short write: what it costs the database, and that it is all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from interleavethinker.errors import Conflict
from interleavethinker.events import Finished, Started, Status, StepFinished, StepPlanned
from interleavethinker.types import Brief, InterleaveRequest, Step
from services.orchestrator.journal import Journal, LeaseLost
from services.orchestrator.outbox import Hook

ASK = InterleaveRequest(brief=Brief(prompt="a snowman"))


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    async with Journal(database_url) as opened:
        yield opened


@contextmanager
def counted(name: str):
    seen: list[str] = []

    def note(*said: object) -> None:
        seen.append(str(said[2]) if len(said) > 2 else "")

    event.listen(Engine, name, note)
    try:
        yield seen
    finally:
        event.remove(Engine, name, note)


def one_statement(journal: Journal) -> bool:
    return journal.engine.dialect.name == "postgresql"


async def test_an_event_is_one_statement_or_one_transaction(journal: Journal):
    run_id = await journal.create(ASK)
    await journal.append(run_id, StepPlanned(step=Step(index=1, name="one", prompt="p")))
    with counted("before_cursor_execute") as statements, counted("commit") as commits:
        await journal.append(run_id, StepPlanned(step=Step(index=2, name="two", prompt="p")))
        await journal.append(run_id, StepFinished(step=1))
    expected = (2, 0) if one_statement(journal) else (6, 2)  # a statement on its own is its transaction
    assert (len(statements), len(commits)) == expected
    assert (await journal.run(run_id)).steps == 2


async def test_events_of_many_runs_share_a_commit_on_sqlite(journal: Journal):
    if one_statement(journal):
        pytest.skip("Postgres flushes commits together by itself")
    ids = [await journal.create(ASK) for _ in range(40)]
    with counted("commit") as commits:
        told = await asyncio.gather(*(journal.append(run_id, Started()) for run_id in ids))
    assert len(commits) < 10
    assert [each.seq for each in told] == [2] * 40
    for run_id, each in zip(ids, told, strict=True):
        assert (await journal.events(run_id))[-1] == each


async def test_a_refused_event_takes_nothing_from_those_beside_it(journal: Journal):
    good, ended = await journal.create(ASK), await journal.create(ASK)
    await journal.append(ended, Finished(status=Status.CANCELED))
    answers = await asyncio.gather(
        journal.append(good, Started()),
        journal.append(ended, Started()),
        journal.append(good, StepPlanned(step=Step(index=1, prompt="p")), fence=9),
        return_exceptions=True,
    )
    assert [type(each) for each in answers[1:]] == [Conflict, LeaseLost]
    assert len(await journal.events(good)) == 2 and len(await journal.events(ended)) == 2


async def test_what_was_heard_of_a_refused_event_is_forgotten(journal: Journal):
    run_id = await journal.create(ASK)
    await journal.append(run_id, StepPlanned(step=Step(index=1, name="one", prompt="p")))
    with pytest.raises(LeaseLost):
        await journal.append(run_id, StepPlanned(step=Step(index=2, name="lost", prompt="p")), fence=9)
    await journal.append(run_id, StepPlanned(step=Step(index=2, name="two", prompt="p")))
    assert (await journal.run(run_id)).steps == 2
    assert (await journal.runs(limit=10, owner=None, search="two")).runs
    assert not (await journal.runs(limit=10, owner=None, search="lost")).runs


async def test_two_replicas_that_append_to_one_run_keep_its_card_right(database_url: str, journal: Journal):
    async with Journal(database_url) as other:
        run_id = await journal.create(ASK)
        for index in range(1, 7):
            writer = journal if index % 2 else other
            await writer.append(run_id, StepPlanned(step=Step(index=index, name=f"n{index}", prompt="p")))
        assert (await other.run(run_id)).steps == 6


async def test_a_webhook_is_told_in_the_same_transaction(journal: Journal):
    begun = await journal.begin(ASK, hooks=[Hook("https://x.test/a", ("started", "finished"))])
    await journal.append(begun.run_id, Started())
    await journal.append(begun.run_id, StepPlanned(step=Step(index=1, prompt="p")))
    await journal.append(begun.run_id, Finished(status=Status.CANCELED))
    assert [each.seq for each in await journal.outbox.of_run(begun.run_id)] == [2, 4]


async def test_one_who_gives_up_while_others_write_has_written_nothing_or_all(journal: Journal):
    ids = [await journal.create(ASK) for _ in range(20)]
    writing = [asyncio.create_task(journal.append(run_id, Started())) for run_id in ids]
    await asyncio.sleep(0)
    for task in writing[::2]:
        task.cancel()
    await asyncio.gather(*writing, return_exceptions=True)
    for run_id in ids[1::2]:
        assert len(await journal.events(run_id)) == 2
    for run_id in ids[::2]:
        await journal.append(run_id, Started())
        assert [each.seq for each in await journal.events(run_id)] in ([1, 2], [1, 2, 3])
