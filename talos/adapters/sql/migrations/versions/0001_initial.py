"""Networks, issued keys and imported keys.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the three tables. Can be run again after a step that was interrupted half-way."""
    op.create_table(
        "networks",
        sa.Column("id", _byte_text(36), primary_key=True),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ns", sa.BigInteger, nullable=False),
        if_not_exists=True,
        mysql_engine="InnoDB",
    )
    token_prefix = sa.Column("token_prefix", _byte_text(16), nullable=False)
    _create_key_table("issued_api_keys", 36, token_prefix)
    _create_key_table("imported_api_keys", 64)


def downgrade() -> None:
    """Remove the tables with everything in them."""
    op.drop_table("imported_api_keys", if_exists=True)
    op.drop_table("issued_api_keys", if_exists=True)
    op.drop_table("networks", if_exists=True)


def _create_key_table(name: str, key_id_length: int, *own: sa.Column[str]) -> None:
    op.create_table(
        name,
        sa.Column("nid", _byte_text(36), nullable=False),
        sa.Column("key_id", _byte_text(key_id_length), nullable=False),
        sa.Column("name", _byte_text(255), nullable=False),
        sa.Column("actor_id", _byte_text(255), nullable=False),
        *own,
        sa.Column("scopes", _long_text(), nullable=False),
        sa.Column("metadata", _long_text(), nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("visibility", sa.SmallInteger, nullable=False),
        sa.Column("rate_limit_quota", sa.BigInteger),
        sa.Column("rate_limit_window_s", sa.BigInteger),
        sa.Column("allowed_cidrs", _long_text(), nullable=False),
        sa.Column("revocation_reason", sa.SmallInteger, nullable=False),
        sa.Column("revocation_description", _long_text()),
        sa.Column("request_id", _byte_text(36)),
        sa.Column("created_at_ns", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ns", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ns", sa.BigInteger, nullable=False),
        sa.Column("last_used_at_ns", sa.BigInteger),
        sa.PrimaryKeyConstraint("nid", "key_id", name=f"{name}_key"),
        sa.ForeignKeyConstraint(
            ["nid"], ["networks.id"], ondelete="CASCADE", name=f"{name}_network"
        ),
        if_not_exists=True,
        mysql_engine="InnoDB",
    )
    # MySQL has no CREATE INDEX IF NOT EXISTS.
    present = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(name)}
    if f"{name}_request" not in present:
        op.create_index(
            f"{name}_request",
            name,
            ["nid", "request_id"],
            unique=True,
            sqlite_where=sa.text("request_id IS NOT NULL"),
            postgresql_where=sa.text("request_id IS NOT NULL"),
            cockroachdb_where=sa.text("request_id IS NOT NULL"),
        )
    for suffix, columns in {
        "state": ["nid", "status", "expires_at_ns"],
        "actor": ["nid", "actor_id", "key_id"],
        "actor_state": ["nid", "actor_id", "status", "expires_at_ns"],
    }.items():
        if f"{name}_{suffix}" not in present:
            op.create_index(f"{name}_{suffix}", name, columns)


def _byte_text(length: int) -> TypeEngine[str]:
    by_bytes = sa.String(length, collation="C")
    return (
        sa.String(length)
        .with_variant(by_bytes, "postgresql", "cockroachdb")
        .with_variant(mysql.VARBINARY(length * 4), "mysql")
    )


def _long_text() -> TypeEngine[str]:
    return sa.Text().with_variant(mysql.MEDIUMBLOB(), "mysql")
