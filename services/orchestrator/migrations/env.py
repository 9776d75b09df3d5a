"""Alembic's way in: runs the chosen revisions on the connection that `schema` gives, inside its transaction."""

from __future__ import annotations

from alembic import context

from services.orchestrator.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
