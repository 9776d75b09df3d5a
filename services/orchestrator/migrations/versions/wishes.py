"""What a careful client needs: keys that make a call safe to repeat, webhooks, the outbox of their deliveries, and
tenants' turns in the queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "wishes"
down_revision = "leases"


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "turns",
        sa.Column("owner", sa.String(200), primary_key=True),
        sa.Column("taken_at", sa.Float(53), nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(200), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("created_at", time, nullable=False, index=True),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("run_id", sa.String(40), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(100), primary_key=True),
        sa.Column(
            "webhook_id", sa.String(40), sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False, index=True
        ),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", time, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("problem", sa.Text, nullable=True),
    )
    op.create_index("deliveries_by_due", "deliveries", ["state", "due_at"])


def downgrade() -> None:
    for table in ("deliveries", "webhooks", "idempotency_keys", "turns"):
        op.drop_table(table)
