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
    LargeBinary,
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
from talos.domain.units import INT64_MAX

NEVER_NS: Final = INT64_MAX
"""Stands in ``expires_at_ns`` for a key that never expires, so that ranges need no second case."""

KEY_ID_LENGTHS: Final = {KeyKind.ISSUED: 36, KeyKind.IMPORTED: 64}
NETWORK_ID_LENGTH: Final = 36
REQUEST_ID_LENGTH: Final = 36
NAME_LENGTH: Final = 255
EVENT_TEXT_LENGTH: Final = 256
"""How much is kept of what a request says of itself."""
_UTF8_BYTES_PER_CHARACTER: Final = 4


class _Utf8Bytes(TypeDecorator[str]):
    """Text that MySQL is given as bytes.

    Its text types fold case and accents, and ignore trailing blanks, each collation in its own
    way.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        """Hold up to ``length`` characters in a column that can be indexed, or any number."""
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the binary type."""
        if self.length is None:
            # 65536 bytes of metadata are one more than a BLOB holds.
            return mysql.MEDIUMBLOB()
        return mysql.VARBINARY(self.length * _UTF8_BYTES_PER_CHARACTER)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Encode."""
        return None if value is None else value.encode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """Decode. Raises ``SQLAlchemyError`` for what is no text."""
        try:
            return None if value is None else value.decode()
        except UnicodeDecodeError:
            raise SQLAlchemyError("stored text is not UTF-8") from None


def _byte_text(length: int) -> TypeEngine[str]:
    """Text of up to ``length`` characters (code points), compared and ordered by its bytes."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql", "cockroachdb")
        .with_variant(_Utf8Bytes(length), "mysql")
    )


def _long_text() -> TypeEngine[str]:
    """Text of any length that is only ever read back."""
    return Text().with_variant(_Utf8Bytes(), "mysql")


metadata: Final = MetaData()

networks: Final = Table(
    "networks",
    metadata,
    Column("id", _byte_text(NETWORK_ID_LENGTH), primary_key=True),
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
            _byte_text(NETWORK_ID_LENGTH),
            ForeignKey("networks.id", ondelete="CASCADE", name=f"{name}_network"),
            primary_key=True,
        ),
        Column("key_id", _byte_text(KEY_ID_LENGTHS[kind]), primary_key=True),
        Column("name", _byte_text(NAME_LENGTH), nullable=False),
        Column("actor_id", _byte_text(NAME_LENGTH), nullable=False),
        *own,
        Column("scopes", _long_text(), nullable=False),
        Column("metadata", _long_text(), nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("visibility", SmallInteger, nullable=False),
        Column("rate_limit_quota", BigInteger),
        Column("rate_limit_window_s", BigInteger),
        Column("allowed_cidrs", _long_text(), nullable=False),
        Column("revocation_reason", SmallInteger, nullable=False),
        Column("revocation_description", _long_text()),
        Column("request_id", _byte_text(REQUEST_ID_LENGTH)),
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
    KeyKind.ISSUED, Column("token_prefix", _byte_text(16), nullable=False)
)
imported_api_keys: Final = _key_table(KeyKind.IMPORTED)

KEY_TABLES: Final = {KeyKind.ISSUED: issued_api_keys, KeyKind.IMPORTED: imported_api_keys}

events: Final = Table(
    "events",
    metadata,
    # No foreign key: the log outlives the keys.
    Column("nid", _byte_text(NETWORK_ID_LENGTH), primary_key=True),
    Column("event_id", _byte_text(36), primary_key=True),
    Column("time_ns", BigInteger, nullable=False),
    Column("name", _byte_text(64), nullable=False),
    Column("key_kind", _byte_text(16)),
    Column("key_id", _byte_text(max(KEY_ID_LENGTHS.values()))),
    Column("actor_id", _byte_text(NAME_LENGTH), nullable=False),
    Column("caller", _byte_text(EVENT_TEXT_LENGTH), nullable=False),
    Column("address", _byte_text(EVENT_TEXT_LENGTH), nullable=False),
    Column("user_agent", _byte_text(EVENT_TEXT_LENGTH), nullable=False),
    Column("request_id", _byte_text(EVENT_TEXT_LENGTH), nullable=False),
    Column("changed", _long_text(), nullable=False),
    Column("details", _long_text(), nullable=False),
    mysql_engine="InnoDB",
)
"""What happened to keys: rows are added and never changed, and their ids grow with the time."""
