"""The journal's database is brought to the revision that this code needs, by Alembic.

The first process to come does it, others wait: under an advisory lock on Postgres, under SQLite's own write lock there;
all of it in one transaction, so a process that is killed half-way leaves the old revision. Deliberately not here: what
the revisions change (`migrations/versions`), and what the tables look like now (`tables`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from interleavethinker.errors import BadSettings
from services.orchestrator.tables import open_engine

log = structlog.get_logger(__name__)

HEAD, BASE, UNVERSIONED = "head", "base", "runs_and_events"
"""Names of revisions: the newest one, none, and the one that a database from before there were revisions has."""
LOCK = 0x1E1EAF  # any number that nobody else locks in this database

_one_at_a_time = threading.Lock()


async def migrate(url: str, to: str = HEAD) -> str:
    """Bring the database up, or down, to a revision, all its data kept as far as that one can hold it; the revision.

    Raises BadSettings for a revision that is not known here.
    """
    # Alembic keeps its state in module globals: one migration at a time in a process, in a thread and loop of its own.
    return await asyncio.to_thread(_alone, url, to)


def revisions() -> ScriptDirectory:
    """The chain of revisions."""
    return ScriptDirectory.from_config(_config())


def _alone(url: str, to: str) -> str:
    with _one_at_a_time:
        logging.getLogger("alembic").setLevel(logging.WARNING)  # we say ourselves what was changed, where something was
        return asyncio.run(_migrate(url, to))


async def _migrate(url: str, to: str) -> str:
    engine = open_engine(url)
    try:
        async with engine.connect() as db:
            postgres = db.dialect.name == "postgresql"
            await db.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})" if postgres else "BEGIN IMMEDIATE")
            reached = await db.run_sync(_move, to)
            await db.commit()
            return reached
    finally:
        await engine.dispose()


def _move(db: Connection, to: str) -> str:
    config, chain = _config(db), revisions()
    current = MigrationContext.configure(db).get_current_revision()
    known = {script.revision for script in chain.walk_revisions()}
    for revision in (current, to):
        if revision not in {*known, None, HEAD, BASE}:
            newest = chain.get_current_head()
            raise BadSettings(f"journal: revision {revision!r} is not known to this version, its newest is {newest!r}")
    if current is None and inspect(db).has_table("runs"):
        command.stamp(config, current := UNVERSIONED)
    past = {script.revision for script in chain.iterate_revisions(current, BASE)} if current else set()
    if to == BASE or to in past:
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)
    reached = MigrationContext.configure(db).get_current_revision() or BASE
    if reached != current:
        log.info("the journal's database was migrated", before=current, now=reached)
    return reached


def _config(db: Connection | None = None) -> Config:
    config = Config(attributes={"connection": db})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
