"""PostgreSQL behind PgBouncer, which gives each transaction whatever server connection is free."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy.engine import Engine

from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import NIL_NETWORK, KeyKind, KeyRef, KeyStatus
from tests.integration.repository_contract import add
from tests.integration.sample_keys import NOW_NS, make_key
from tests.support.servers import PostgresService, ServerProcess, Unavailable
from tests.support.servers.pgbouncer import SERVER_CONNECTIONS, behind, pgbouncer_process
from tests.support.writes import change, delete, rotate

CLIENTS = 4 * SERVER_CONNECTIONS
ROUNDS = 15


@pytest.fixture(scope="module")
def pooler(postgres_service: PostgresService) -> Iterator[ServerProcess]:
    try:
        process = pgbouncer_process(postgres_service.dsn)
    except Unavailable as missing:
        if os.environ.get("TALOS_REQUIRE_SERVICES") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with process:
        process.start()
        yield process


@pytest.fixture
def dsn(pooler: ServerProcess, postgres_service: PostgresService) -> Iterator[str]:
    """An empty database, reached through the pooler."""
    direct = postgres_service.create_database()
    yield behind(direct, pooler.port)
    postgres_service.drop_database(direct)


def work(keys: SqlKeyRepository, database: SqlDatabase, client: int) -> None:
    """Every operation, several times, so that a driver would prepare what it sees again."""
    kind, imported = KeyKind.ISSUED, KeyKind.IMPORTED
    for number in range(ROUNDS):
        key = make_key(NIL_NETWORK, actor_id=f"client:{client}")
        add(keys, key)
        batch = [make_key(NIL_NETWORK, imported) for _ in range(3)]
        assert not keys.insert_batch(batch, quota=0, now_ns=NOW_NS).existing
        assert not keys.is_full(NIL_NETWORK, quota=100_000, now_ns=NOW_NS)
        assert keys.get(KeyRef(NIL_NETWORK, kind, key.key_id)) == key
        assert len(keys.get_many(NIL_NETWORK, imported, [one.key_id for one in batch])) == 3
        changed = change(
            keys, KeyRef(NIL_NETWORK, kind, key.key_id), lambda old: replace(old, name="changed")
        )
        successor = make_key(NIL_NETWORK)
        before, _ = rotate(
            keys,
            NIL_NETWORK,
            key.key_id,
            lambda old, new=successor: (new, replace(old, status=KeyStatus.REVOKED)),
        )
        assert before == changed
        keys.mark_used(NIL_NETWORK, kind, {successor.key_id: NOW_NS})
        page = keys.list_page(
            NIL_NETWORK,
            kind,
            limit=100,
            before_id=None,
            actor_id=f"client:{client}",
            status=None,
            now_ns=NOW_NS,
        )
        assert len(page) == number + 1
        assert delete(keys, KeyRef(NIL_NETWORK, kind, successor.key_id)).last_used_at_ns == NOW_NS
        database.ping()


def pooled(dsn: str, parameters: str = "") -> Engine:
    return create_engine(
        parse_dsn(f"{dsn}&max_conns={CLIENTS}&max_idle_conns={CLIENTS}{parameters}")
    )


def test_no_operation_fails_with_the_default_dsn(dsn: str) -> None:
    assert migrate.up(parse_dsn(dsn)).after > 0
    engine = pooled(dsn)
    keys, database = SqlKeyRepository(engine), SqlDatabase(engine)
    database.ensure_network(NIL_NETWORK)
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(lambda client: work(keys, database, client), range(CLIENTS)))
    engine.dispose()
    migrate.down(parse_dsn(dsn))


def test_nothing_is_left_on_connections_that_others_get(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither prepared statements nor settings, which the next client would meet."""
    migrate.up(parse_dsn(dsn))
    engine = pooled(dsn, "&work_mem=7MB")
    keys = SqlKeyRepository(engine)
    for _ in range(12):
        assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, "x")) is None
    engine.dispose()
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as other:
        for setting, ours in (("work_mem", "7MB"), ("statement_timeout", "10s")):
            row = other.execute(f"SHOW {setting}".encode()).fetchone()
            assert row is not None
            assert row[0] != ours
        row = other.execute("SELECT COUNT(*) FROM pg_prepared_statements").fetchone()
        assert row == (0,)
    assert "not set, since a connection pooler stands before the database: work_mem" in caplog.text


def test_a_direct_connection_prepares_and_sets(postgres_dsn: str) -> None:
    engine = pooled(postgres_dsn, "&work_mem=7MB")
    keys = SqlKeyRepository(engine)
    for _ in range(12):
        keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, "x"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW work_mem").scalar_one() == "7MB"
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "10s"
        prepared = connection.exec_driver_sql("SELECT COUNT(*) FROM pg_prepared_statements")
        assert prepared.scalar_one() > 0
    engine.dispose()
