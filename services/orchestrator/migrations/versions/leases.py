"""Who works on a run: the replica, until when by the database's clock, and a number that grows with each taking."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "leases"
down_revision = "runs_and_events"


def upgrade() -> None:
    op.add_column("runs", sa.Column("lease_holder", sa.String(100), nullable=True))
    op.add_column("runs", sa.Column("lease_until", sa.Float(53), nullable=True))
    op.add_column("runs", sa.Column("fence", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    for column in ("fence", "lease_until", "lease_holder"):
        op.drop_column("runs", column)
