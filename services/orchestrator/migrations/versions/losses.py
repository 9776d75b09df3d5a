"""How many replicas in a row fell silent over a run with nothing new recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "losses"
down_revision = "api_keys"


def upgrade() -> None:
    op.add_column("runs", sa.Column("losses", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("runs", "losses")
