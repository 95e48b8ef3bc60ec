"""The event log.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the empty table. Can be run again after a step that was interrupted half-way."""
    op.create_table(
        "events",
        sa.Column("nid", _byte_text(36), nullable=False),
        sa.Column("event_id", _byte_text(36), nullable=False),
        sa.Column("time_ns", sa.BigInteger, nullable=False),
        sa.Column("name", _byte_text(64), nullable=False),
        sa.Column("key_kind", _byte_text(16)),
        sa.Column("key_id", _byte_text(64)),
        sa.Column("actor_id", _byte_text(255), nullable=False),
        sa.Column("caller", _byte_text(256), nullable=False),
        sa.Column("address", _byte_text(256), nullable=False),
        sa.Column("user_agent", _byte_text(256), nullable=False),
        sa.Column("request_id", _byte_text(256), nullable=False),
        sa.Column("changed", _long_text(), nullable=False),
        sa.Column("details", _long_text(), nullable=False),
        sa.PrimaryKeyConstraint("nid", "event_id", name="events_id"),
        if_not_exists=True,
        mysql_engine="InnoDB",
    )


def downgrade() -> None:
    """Remove the table with everything in it."""
    op.drop_table("events", if_exists=True)


def _byte_text(length: int) -> TypeEngine[str]:
    by_bytes = sa.String(length, collation="C")
    return (
        sa.String(length)
        .with_variant(by_bytes, "postgresql", "cockroachdb")
        .with_variant(mysql.VARBINARY(length * 4), "mysql")
    )


def _long_text() -> TypeEngine[str]:
    return sa.Text().with_variant(mysql.MEDIUMBLOB(), "mysql")
