"""The journal's tables, and the engine they live in: what the database looks like now. How one of an earlier
release gets there is in `migrations/`; a test holds the two together.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from interleavethinker.errors import BadSettings


class Utc(TypeDecorator[datetime]):
    """A point in time, UTC. SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=value.tzinfo or UTC)


class db_now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Now, in seconds since 1970, by the clock of the database: the one clock that all replicas share."""

    type = Float(53)
    inherit_cache = True


@compiles(db_now, "sqlite")
def _(element: Any, compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_now, "postgresql")
def _(element: Any, compiler: Any, **_: Any) -> str:
    return "(extract(epoch from clock_timestamp())::double precision)"


METADATA = MetaData()

NOBODY = ""
"""Stands for the tenant, in keys and counters that cannot be null, where there are none."""

RUNS = Table(
    "runs",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("owner", String(200), nullable=True),
    Column("created_at", Utc, nullable=False),
    Column("status", String(20), nullable=False, index=True),
    Column("last_seq", Integer, nullable=False),
    Column("request", Text, nullable=False),
    Column("lease_holder", String(100), nullable=True),
    Column("lease_until", Float(53), nullable=True),  # seconds since 1970 by the database's clock
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("losses", Integer, nullable=False, server_default="0"),  # leases that ran out since it last came further
    Column("title", String(160), nullable=False, server_default=text("''")),  # this and the next three: `cards`
    Column("words", Text, nullable=False, server_default=text("''")),
    Column("steps", Integer, nullable=False, server_default="0"),
    Column("cover", String(64), nullable=True),
    Index("runs_by_owner", "owner", "number"),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("run_id", String(40), ForeignKey("runs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("type", String(40), nullable=False),
    Column("body", Text, nullable=False),
)

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", String(20), primary_key=True),
    Column("digest", String(64), nullable=False),  # SHA-256 of the whole key; the key itself is nowhere
    Column("tenant", String(64), nullable=False),
    Column("permissions", String(100), nullable=False),
    Column("note", String(200), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=True),
    Index("api_keys_by_tenant", "tenant"),
)

TURNS = Table(
    "turns",
    METADATA,
    Column("owner", String(200), primary_key=True),
    Column("taken_at", Float(53), nullable=False),  # when its last run was taken up, by the database's clock
)

IDEMPOTENCY_KEYS = Table(
    "idempotency_keys",
    METADATA,
    Column("owner", String(200), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("run_id", String(40), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Utc, nullable=False, index=True),
)

SHARES = Table(
    "shares",
    METADATA,
    Column("run_id", String(40), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("token", String(64), nullable=False, unique=True),
    Column("expires_at", Utc, nullable=True),
)

WEBHOOKS = Table(
    "webhooks",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("run_id", String(40), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),  # their types, with a comma between them
)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", String(100), primary_key=True),
    Column("webhook_id", String(40), ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("seq", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("problem", Text, nullable=True),
    Index("deliveries_by_due", "state", "due_at"),
)


def open_engine(url: str) -> AsyncEngine:
    """An engine for `sqlite:///path/to/file` or `postgresql://...`; the async driver is filled in.

    Raises BadSettings for any other URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadSettings(f"journal URL {url!r}: write sqlite:///path/to/journal.db or postgresql://...") from error
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_async_engine(parsed.set(drivername="sqlite+aiosqlite"))
            event.listen(engine.sync_engine, "connect", _set_up_sqlite)
            event.listen(engine.sync_engine, "invalidate", _let_go)
            return engine
        case "postgresql":
            return create_async_engine(
                parsed.set(drivername="postgresql+asyncpg"),
                pool_pre_ping=True,
                connect_args={"timeout": 5, "command_timeout": 30},
            )
    shown = parsed.render_as_string(hide_password=True)
    raise BadSettings(f"journal URL {shown!r}: write sqlite:///path/to/journal.db or postgresql://...")


def open_writer(engine: AsyncEngine) -> Engine:
    """A synchronous engine on the same SQLite file, for one thread that writes."""
    writer = create_engine(engine.url.set(drivername="sqlite+pysqlite"), pool_size=1, max_overflow=0)
    event.listen(writer, "connect", _set_up_sqlite)
    return writer


def _set_up_sqlite(connection: Any, _: object) -> None:
    """Readers never wait for the writer (WAL), a second writer waits instead of failing, and a commit is on the disk
    (FULL) before anyone is told of it: an event takes seconds to come about, the sync a few milliseconds."""
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 15000", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _let_go(connection: Any, *_: object) -> None:
    """Called before a connection is closed whose user was canceled in the middle of a statement. SQLite keeps a closed
    connection, its transaction and its lock for as long as anything still refers to the statement: nobody else could
    write meanwhile."""
    connection.rollback()
