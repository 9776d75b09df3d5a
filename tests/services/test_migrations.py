"""Revisions of the journal's database, up and down, with runs in it; on SQLite, and on Postgres where there is one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from interleavethinker.errors import BadSettings
from interleavethinker.events import Drawn, Finished, Recorded, Started, Status, StepFinished, StepPlanned
from interleavethinker.settings import PREFIX
from interleavethinker.types import Brief, Drawing, ImageJob, ImageRef, InterleaveRequest, Step
from services.orchestrator.journal import Journal
from services.orchestrator.schema import BASE, HEAD, UNVERSIONED, migrate, revisions
from services.orchestrator.tables import METADATA, open_engine

ASK = InterleaveRequest(brief=Brief(prompt="a snowman ☃"), seed=5)


async def look(url: str, at: Any) -> Any:
    """What `at(connection)` finds in the database."""
    engine = open_engine(url)
    try:
        async with engine.begin() as db:
            return await db.run_sync(at)
    finally:
        await engine.dispose()


def tables(db: Connection) -> set[str]:
    return set(inspect(db).get_table_names())


async def filled(url: str) -> dict[str, list[Recorded]]:
    """Two runs' events, one run ended and one under way."""
    async with Journal(url) as journal:
        ended, open_one = [await journal.create(ASK) for _ in range(2)]
        for run_id in (ended, open_one):
            await journal.append(run_id, Started())
        await journal.append(ended, Finished(status=Status.SUCCEEDED))
        return {run_id: await journal.events(run_id) for run_id in (ended, open_one)}


def test_there_is_one_chain_with_one_head():
    assert len(revisions().get_heads()) == 1
    assert revisions().get_bases() == [UNVERSIONED]


async def test_the_revisions_make_the_tables_that_the_code_uses(database_url: str):
    await migrate(database_url)

    def differences(db: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(db, opts={"compare_server_default": True}), METADATA)

    assert await look(database_url, differences) == []


async def test_every_step_down_and_up_keeps_the_runs(database_url: str):
    known = await filled(database_url)
    chain = [script.revision for script in revisions().walk_revisions()]  # newest first
    for earlier in chain[1:]:
        assert await migrate(database_url, earlier) == earlier
        counted = await look(database_url, lambda db: db.execute(text("SELECT count(*) FROM events")).scalar())
        assert counted == sum(map(len, known.values()))
    for later in reversed(chain[:-1]):
        assert await migrate(database_url, later) == later
    async with Journal(database_url) as journal:
        assert {run_id: await journal.events(run_id) for run_id in known} == known
        assert sorted(run.id for run in (await journal.runs()).runs) == sorted(known)


async def test_all_the_way_down_leaves_nothing_and_up_again_works(database_url: str):
    await filled(database_url)
    assert await migrate(database_url, BASE) == BASE
    assert await look(database_url, tables) == {"alembic_version"}
    await filled(database_url)


async def test_a_database_from_before_there_were_revisions_is_taken_over(database_url: str):
    known = await filled(database_url)
    await migrate(database_url, UNVERSIONED)
    await look(database_url, lambda db: db.execute(text("DROP TABLE alembic_version")))
    async with Journal(database_url) as journal:
        assert {run_id: await journal.events(run_id) for run_id in known} == known
    assert await migrate(database_url) == revisions().get_current_head()


async def test_many_replicas_may_start_at_once(database_url: str):
    """Other processes' migrations wait for the lock of the first one; in this process they take turns anyway."""
    environment = os.environ | {f"{PREFIX}ORCHESTRATOR__JOURNAL": database_url}
    command = [sys.executable, "-m", "services.orchestrator", "migrate"]
    starts = [await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE) for _ in range(3)]
    said = [(await start.communicate())[0].decode().strip() for start in starts]
    assert said == [revisions().get_current_head()] * 3


async def test_an_unknown_revision_is_refused_in_words(database_url: str):
    with pytest.raises(BadSettings, match="'tomorrow' is not known"):
        await migrate(database_url, "tomorrow")
    await migrate(database_url)
    newer = text("UPDATE alembic_version SET version_num = 'next_year'")
    await look(database_url, lambda db: db.execute(newer))
    with pytest.raises(BadSettings, match="'next_year' is not known to this version"):
        async with Journal(database_url):
            pass
    assert HEAD not in {script.revision for script in revisions().walk_revisions()}


async def test_runs_from_before_there_were_cards_get_theirs(database_url: str):
    """The revision makes of what is recorded just what the code keeps."""
    image = ImageRef(digest="a" * 64, width=8, height=8)
    job = ImageJob(prompt="a", seed=1)
    async with Journal(database_url) as journal:
        run_id = await journal.create(InterleaveRequest(brief=Brief(prompt="The  LONG\nway " + "on " * 90)))
        for event in (
            StepPlanned(step=Step(index=1, name="Der HÜGEL", prompt="a")), StepPlanned(step=Step(index=2, name="x")),
            Drawn(step=1, number=1, job=job, drawing=Drawing(job_id=job.id, image=image)), StepFinished(step=1, kept=1),
        ):  # fmt: skip
            await journal.append(run_id, event)
    cards = text("SELECT title, words, steps, cover FROM runs")
    kept = await look(database_url, lambda db: db.execute(cards).one())
    await migrate(database_url, "losses")
    await migrate(database_url)
    assert await look(database_url, lambda db: db.execute(cards).one()) == kept
    assert (kept.steps, kept.cover, "der hügel" in kept.words) == (2, "a" * 64, True)
