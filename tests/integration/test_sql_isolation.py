"""No query over keys without its network (contract 9)."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from talos.adapters.sql.last_statements import last_statements
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import Key, KeyKind, KeyRef, KeyStatus
from talos.errors import ApiKeyExists, InternalError
from talos.services.ports import UnreadableRow
from tests.integration.repository_contract import add, listed
from tests.integration.sample_keys import NOW_NS, make_key
from tests.support.writes import change, delete, rotate

KEY_TABLE = re.compile(r"(?:FROM|UPDATE|INTO|JOIN)\s+(?:issued|imported)_api_keys", re.IGNORECASE)
# The network as a bound condition; each driver has its own mark for a parameter.
BOUND_NETWORK = re.compile(
    r"WHERE (?:issued|imported)_api_keys\.nid = (?:\?|%s|%\(\w+\)s(?:::VARCHAR)?)(?: |$)"
)


@pytest.fixture
def recorded(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def record(
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: Any,
        context: object,
        executemany: bool,
    ) -> None:
        statements.append((" ".join(statement.split()), parameters))

    def record_last(connection: Connection) -> None:
        statements.extend((text, list(rows)) for text, rows in last_statements(connection))

    event.listen(engine, "before_cursor_execute", record)
    event.listen(engine, "commit", record_last)
    yield statements
    event.remove(engine, "before_cursor_execute", record)
    event.remove(engine, "commit", record_last)


def test_every_statement_carries_the_network(
    repository: SqlKeyRepository,
    network: str,
    other_network: str,
    recorded: list[tuple[str, Any]],
) -> None:
    for kind in KeyKind:
        keys = [make_key(network, kind, request_id=f"{number}") for number in range(3)]
        for key in keys:
            repository.insert(key, quota=10, now_ns=NOW_NS)
        repository.insert(keys[0], quota=1, now_ns=NOW_NS)
        with pytest.raises(ApiKeyExists):
            repository.insert(replace(keys[0], request_id=None), quota=0, now_ns=NOW_NS)
        repository.insert_batch([keys[0], make_key(network, kind)], quota=100, now_ns=NOW_NS)
        ids = [key.key_id for key in keys]
        repository.is_full(network, quota=10, now_ns=NOW_NS)
        repository.get(KeyRef(network, kind, ids[0]))
        repository.get_many(network, kind, ids)
        change(repository, KeyRef(network, kind, ids[0]), lambda key: replace(key, name="new"))
        repository.mark_used(network, kind, dict.fromkeys(ids, NOW_NS))
        for status in (None, *KeyStatus):
            for actor in (None, "actor"):
                for before in (None, "~"):
                    listed(
                        repository,
                        network,
                        kind,
                        actor_id=actor,
                        status=status,
                        before_id=before,
                    )
                    listed(repository, network, kind, limit=0, actor_id=actor, status=status)
        if kind is KeyKind.ISSUED:
            rotate(repository, network, ids[1], lambda key: (make_key(network), key))
        delete(repository, KeyRef(network, kind, ids[2]))

    on_keys = [entry for entry in recorded if KEY_TABLE.search(entry[0])]
    assert len(on_keys) > 80
    verbs = {statement.split()[0] for statement, _ in on_keys}
    assert verbs == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    as_stored = {network, network.encode()}
    for statement, parameters in on_keys:
        rows = parameters if isinstance(parameters, list) else [parameters]
        for row in rows:
            values = list(row.values()) if isinstance(row, dict) else list(row)
            assert [value for value in values if value in as_stored], statement
            assert other_network not in values
        if not statement.startswith("INSERT"):
            assert statement.count("WHERE") == 1, statement
            assert BOUND_NETWORK.search(statement), statement


def test_a_network_takes_its_keys_with_it(
    repository: SqlKeyRepository, engine: Engine, network: str, other_network: str
) -> None:
    doomed = [make_key(network, kind) for kind in KeyKind]
    kept = [replace(key, network_id=other_network) for key in doomed]
    add(repository, *doomed, *kept)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM networks WHERE id = :id"), {"id": network})
    assert [repository.get(KeyRef(network, key.kind, key.key_id)) for key in doomed] == [None, None]
    assert [repository.get(KeyRef(other_network, key.kind, key.key_id)) for key in kept] == kept


def test_a_key_needs_its_network(repository: SqlKeyRepository) -> None:
    for quota in (0, 5):
        for kind in KeyKind:
            key = make_key("deadbeef-0000-4000-8000-000000000000", kind)
            with pytest.raises(InternalError, match="create API key"):
                repository.insert(key, quota=quota, now_ns=NOW_NS)
            with pytest.raises(InternalError, match="create API keys"):
                repository.insert_batch([key], quota=quota, now_ns=NOW_NS)


def broken(engine: Engine, key: Key, column: str, value: object) -> None:
    """Put something into the row that no key can hold."""
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE {key.kind.value}_api_keys SET {column} = :value WHERE key_id = :id"),
            {"value": value, "id": key.key_id},
        )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("metadata", "{"),
        ("metadata", "[]"),
        ("scopes", '["a"'),
        ("scopes", "[1]"),
        ("allowed_cidrs", ""),
        ("status", 3),
        ("status", 0),
        ("visibility", 9),
        ("revocation_reason", 77),
    ],
)
def test_a_row_that_cannot_be_read_fails_alone(
    repository: SqlKeyRepository,
    engine: Engine,
    network: str,
    column: str,
    value: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    good, bad = make_key(network), make_key(network)
    add(repository, good, bad)
    broken(engine, bad, column, value)
    found = repository.get_many(network, KeyKind.ISSUED, [good.key_id, bad.key_id])
    assert found == {good.key_id: good, bad.key_id: UnreadableRow(bad.key_id)}
    with pytest.raises(InternalError, match="read API key"):
        repository.get(KeyRef(network, KeyKind.ISSUED, bad.key_id))
    with pytest.raises(InternalError):
        change(repository, KeyRef(network, KeyKind.ISSUED, bad.key_id), lambda key: key)
    assert repository.get(KeyRef(network, KeyKind.ISSUED, good.key_id)) == good
    assert bad.key_id in caplog.text
    assert column in caplog.text
    # It can still be got rid of, by hand, like any other.
    with engine.begin() as connection:
        connection.execute(
            text("DELETE FROM issued_api_keys WHERE key_id = :id"), {"id": bad.key_id}
        )


def test_a_row_that_the_driver_cannot_read_fails_alone(
    repository: SqlKeyRepository, engine: Engine, network: str
) -> None:
    """Bytes that are no text; PostgreSQL keeps them out by itself."""
    no_text = {
        "sqlite": "CAST(x'ff' AS TEXT)",
        "mysql": "x'ff'",
        "postgresql": "convert_from('\\xff', 'UTF8')",
    }[engine.dialect.name]
    good, bad = make_key(network), make_key(network)
    add(repository, good, bad)
    statement = text(f"UPDATE issued_api_keys SET name = {no_text} WHERE key_id = :id")
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection, pytest.raises(DBAPIError):
            connection.execute(statement, {"id": bad.key_id})
        return
    with engine.begin() as connection:
        connection.execute(statement, {"id": bad.key_id})
    found = repository.get_many(network, KeyKind.ISSUED, [good.key_id, bad.key_id])
    assert found == {good.key_id: good, bad.key_id: UnreadableRow(bad.key_id)}
    with pytest.raises(InternalError):
        repository.get(KeyRef(network, KeyKind.ISSUED, bad.key_id))
