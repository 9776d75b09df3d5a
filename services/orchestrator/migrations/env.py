"""Alembic's way in: runs the chosen revisions on the connection that `schema` gives, inside its transaction."""

from __future__ import annotations

from alembic import context

from services.orchestrator.tables import METADATA

if __name__ == "env_py":  # what Alembic calls it; imported otherwise, it has no context to work in
    context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
    context.run_migrations()
