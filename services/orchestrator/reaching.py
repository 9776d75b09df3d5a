"""When the database does not answer: every such failure, of any driver, becomes one error of ours.

A failure that a wrong query or wrong data causes is none of these; it stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from interleavethinker.errors import Unavailable


class JournalAway(Unavailable):
    """The journal's database cannot be reached, or cannot write (a full disk). Whether a commit under way was made,
    only reading can tell, so whoever worked on a run drops it; it is taken up again from what is recorded."""


@contextmanager
def answering() -> Iterator[None]:
    """Raises JournalAway where the database does not answer within."""
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise
    except (SQLAlchemyError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        cause = getattr(error, "orig", None) or error
        raise JournalAway(f"the journal's database does not answer ({type(cause).__name__}: {cause})") from error
