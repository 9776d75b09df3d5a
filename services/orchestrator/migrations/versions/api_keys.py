"""API keys: who they belong to, what they may do, and the digest by which one is known again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "api_keys"
down_revision = "wishes"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("permissions", sa.String(100), nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("api_keys_by_tenant", "api_keys", ["tenant"])


def downgrade() -> None:
    op.drop_table("api_keys")
