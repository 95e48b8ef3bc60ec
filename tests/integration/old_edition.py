"""A database file as the reference's free edition leaves it (contract 8.6), made for tests."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NETWORK = "00000000-0000-0000-0000-000000000000"
TIME = "2026-11-21 20:24:31.476114038 +0000 UTC"
TIME_NS = 1_795_292_671_476_114_038

_COMMON = """
    nid TEXT NOT NULL, key_id TEXT NOT NULL, name TEXT NOT NULL, actor_id TEXT NOT NULL,
    scopes BLOB NOT NULL, status INTEGER NOT NULL, metadata BLOB, last_used_at TIMESTAMP,
    expires_at TIMESTAMP, created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL,
    rate_limit_quota INTEGER, rate_limit_window INTEGER, revocation_reason INTEGER,
    revocation_reason_text TEXT, allowed_cidrs BLOB, request_id TEXT, visibility INTEGER NOT NULL,
"""
_KEYS = "PRIMARY KEY (nid, key_id), FOREIGN KEY (nid) REFERENCES networks (id) ON DELETE CASCADE"
_SCHEMA = f"""
    CREATE TABLE schema_migrations (version INTEGER NOT NULL PRIMARY KEY, dirty BOOLEAN NOT NULL);
    INSERT INTO schema_migrations VALUES (1, 0);
    CREATE TABLE networks (id TEXT PRIMARY KEY, created_at TIMESTAMP, updated_at TIMESTAMP);
    INSERT INTO networks VALUES ('{NETWORK}', '{TIME}', '{TIME}');
    CREATE TABLE issued_api_keys ({_COMMON} token_prefix TEXT NOT NULL, version INTEGER, {_KEYS});
    CREATE TABLE imported_api_keys ({_COMMON} {_KEYS});
    CREATE UNIQUE INDEX issued_request ON issued_api_keys (nid, request_id)
        WHERE request_id IS NOT NULL;
"""


class OldEdition:
    """Writes rows into such a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dsn = f"sqlite://{path}"
        with self.opened() as connection:
            connection.executescript(_SCHEMA)

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A connection, committed and closed at the end."""
        connection = sqlite3.connect(self.path)
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def add_issued(self, key_id: str, **columns: Any) -> None:
        """Add a row; ``columns`` replace the usual values."""
        self._add(
            "issued_api_keys",
            {**_usual(key_id), "token_prefix": "ory_ak", "version": 1, **columns},
        )

    def add_imported(self, key_id: str, **columns: Any) -> None:
        """Add a row; ``columns`` replace the usual values."""
        self._add("imported_api_keys", {**_usual(key_id), **columns})

    def _add(self, table: str, row: dict[str, Any]) -> None:
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        with self.opened() as connection:
            connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values())
            )


def _usual(key_id: str) -> dict[str, Any]:
    return {
        "nid": NETWORK,
        "key_id": key_id,
        "name": "a key",
        "actor_id": "actor",
        "scopes": b"[]",
        "status": 1,
        "metadata": b"{}",
        "created_at": TIME,
        "updated_at": TIME,
        "expires_at": "2027-11-21 20:24:31.4 +0000 UTC",
        "visibility": 1,
    }
