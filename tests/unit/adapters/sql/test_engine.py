"""Engines before anything is connected."""

import pytest
from sqlalchemy.schema import CreateIndex, CreateTable

from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine, writing
from talos.adapters.sql.paging import PageQuery, _count, _of_few
from talos.adapters.sql.tables import KEY_TABLES, metadata
from talos.domain.keys import KeyKind, KeyStatus

ADDRESSES = {
    "sqlite": "sqlite:///tmp/talos.db",
    "postgresql": "postgres://u:test-password@localhost/db",
    "cockroachdb": "cockroach://u:test-password@localhost:26257/db",
    "mysql": "mysql://u:test-password@tcp(localhost:3306)/db",
}


@pytest.mark.parametrize("dialect", ADDRESSES)
def test_every_scheme_has_its_dialect(dialect: str) -> None:
    engine = create_engine(parse_dsn(ADDRESSES[dialect]))
    assert engine.dialect.name == dialect
    assert writing(engine).pool is engine.pool
    assert "test-password" not in repr(engine)
    assert "test-password" not in str(engine.url)
    engine.dispose()


@pytest.mark.parametrize(
    ("query", "size", "recycle"),
    [
        ("", 25, 1800),
        ("max_conns=8&max_idle_conns=3&max_conn_lifetime=1m", 8, 60),
        ("max_conns=8&max_idle_conns=0&max_conn_lifetime=0", 8, -1),
        ("max_conns=1", 1, 1800),
        ("max_conn_lifetime=1ms", 25, 1),
    ],
)
def test_the_pool_is_as_the_address_says(query: str, size: int, recycle: int) -> None:
    engine = create_engine(parse_dsn(f"{ADDRESSES['postgresql']}?{query}"))
    pool = engine.pool
    assert (pool.size(), pool._max_overflow, pool._recycle) == (size, 0, recycle)  # type: ignore[attr-defined]


@pytest.mark.parametrize("dialect", ADDRESSES)
def test_every_dialect_can_say_what_we_ask(dialect: str) -> None:
    """CockroachDB among them, which no test starts."""
    engine = create_engine(parse_dsn(ADDRESSES[dialect]))
    table = KEY_TABLES[KeyKind.ISSUED]
    created = str(CreateTable(table).compile(engine))
    assert ('VARCHAR(255) COLLATE "C"' in created) is (dialect in ("postgresql", "cockroachdb"))
    assert ("VARBINARY(1020)" in created) is (dialect == "mysql")
    assert ("MEDIUMBLOB" in created) is (dialect == "mysql")
    for index in table.indexes:
        assert "nid" in str(CreateIndex(index).compile(engine))
    query = PageQuery("n", KeyKind.ISSUED, 1, "b", "a", KeyStatus.ACTIVE, 0)
    counted = str(_count(query, KeyStatus.ACTIVE, 9).compile(engine))
    page = str(_of_few(query, KeyStatus.ACTIVE).compile(engine))
    for statement in (counted, page):
        assert ("FORCE INDEX (issued_api_keys_actor_state)" in statement) is (dialect == "mysql")
    assert set(metadata.tables) == {
        "networks",
        "issued_api_keys",
        "imported_api_keys",
        "events",
    }
