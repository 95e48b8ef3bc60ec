"""The tables as queries see them. Migrations make them; a test holds the two together.

Layout (contract 8.6, docs/adr/0002): times are integers, nanoseconds since the epoch; text is
compared and ordered by its bytes on every database; scopes, address lists and metadata are JSON
text, kept as given.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeDecorator, TypeEngine

from talos.domain.keys import KeyKind

NEVER_NS: Final = 2**63 - 1
"""Stands in ``expires_at_ns`` for a key that never expires, so that ranges need no second case."""

KEY_ID_LENGTHS: Final = {KeyKind.ISSUED: 36, KeyKind.IMPORTED: 64}
NETWORK_ID_LENGTH: Final = 36
REQUEST_ID_LENGTH: Final = 36
NAME_LENGTH: Final = 255
_UTF8_BYTES_PER_CHARACTER: Final = 4


class _Utf8(TypeDecorator[str]):
    """Text that MySQL is given as bytes.

    Its text types fold case and accents, and ignore trailing blanks, each collation in its own
    way. Subclasses choose the types.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """Encode for MySQL."""
        return value.encode() if value is not None and dialect.name == "mysql" else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """Decode what MySQL returns. Raises ``SQLAlchemyError`` for what is no text."""
        try:
            return value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            raise SQLAlchemyError("stored text is not UTF-8") from None


class ByteText(_Utf8):
    """Text of up to ``length`` characters that can stand in an index, ordered by its bytes."""

    cache_ok = True

    def __init__(self, length: int) -> None:
        """Hold up to ``length`` characters (code points)."""
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the dialect."""
        match dialect.name:
            case "mysql":
                return mysql.VARBINARY(self.length * _UTF8_BYTES_PER_CHARACTER)
            case "postgresql" | "cockroachdb":
                return String(self.length, collation="C")
            case _:
                return String(self.length)


class LongText(_Utf8):
    """Text of any length that is only ever read back."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the dialect."""
        if dialect.name == "mysql":
            # 65536 bytes of metadata are one more than a BLOB holds.
            return mysql.MEDIUMBLOB()
        return Text()


metadata: Final = MetaData()

networks: Final = Table(
    "networks",
    metadata,
    Column("id", ByteText(NETWORK_ID_LENGTH), primary_key=True),
    Column("created_at_ns", BigInteger, nullable=False),
    Column("updated_at_ns", BigInteger, nullable=False),
)


def _key_table(kind: KeyKind, *own: Column[Any]) -> Table:
    name = f"{kind.value}_api_keys"
    table = Table(
        name,
        metadata,
        Column(
            "nid",
            ByteText(NETWORK_ID_LENGTH),
            ForeignKey("networks.id", ondelete="CASCADE", name=f"{name}_network"),
            primary_key=True,
        ),
        Column("key_id", ByteText(KEY_ID_LENGTHS[kind]), primary_key=True),
        Column("name", ByteText(NAME_LENGTH), nullable=False),
        Column("actor_id", ByteText(NAME_LENGTH), nullable=False),
        *own,
        Column("scopes", LongText, nullable=False),
        Column("metadata", LongText, nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("visibility", SmallInteger, nullable=False),
        Column("rate_limit_quota", BigInteger),
        Column("rate_limit_window_s", BigInteger),
        Column("allowed_cidrs", LongText, nullable=False),
        Column("revocation_reason", SmallInteger, nullable=False),
        Column("revocation_description", LongText),
        Column("request_id", ByteText(REQUEST_ID_LENGTH)),
        Column("created_at_ns", BigInteger, nullable=False),
        Column("updated_at_ns", BigInteger, nullable=False),
        Column("expires_at_ns", BigInteger, nullable=False),
        Column("last_used_at_ns", BigInteger),
        mysql_engine="InnoDB",
    )
    columns = table.c
    # NULLs differ from one another in unique indexes of every supported database.
    Index(f"{name}_request", columns.nid, columns.request_id, unique=True)
    Index(f"{name}_state", columns.nid, columns.status, columns.expires_at_ns)
    Index(f"{name}_actor", columns.nid, columns.actor_id, columns.key_id)
    Index(
        f"{name}_actor_state",
        columns.nid,
        columns.actor_id,
        columns.status,
        columns.expires_at_ns,
    )
    return table


issued_api_keys: Final = _key_table(
    KeyKind.ISSUED, Column("token_prefix", ByteText(16), nullable=False)
)
imported_api_keys: Final = _key_table(KeyKind.IMPORTED)

KEY_TABLES: Final = {KeyKind.ISSUED: issued_api_keys, KeyKind.IMPORTED: imported_api_keys}
