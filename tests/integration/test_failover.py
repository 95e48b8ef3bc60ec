"""A primary that became another server, while connections to the old one are open."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.transactions import Transactions
from talos.domain.keys import NIL_NETWORK, KeyKind, KeyRef
from talos.errors import ServiceUnavailable
from tests.integration.repository_contract import add
from tests.integration.sample_keys import make_key
from tests.support.outages import operations
from tests.support.servers import ServerProcess, Unavailable, mariadb, postgres
from tests.support.servers.forwarder import Forwarder

POOLED = 4


def prepared(stack: ExitStack, prepare: Callable[[], ServerProcess]) -> ServerProcess:
    """A running server of one's own."""
    try:
        process = prepare()
    except Unavailable as missing:
        if os.environ.get("TALOS_REQUIRE_SERVICES") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    stack.callback(process.close)
    process.start()
    return process


@contextmanager
def pooled(dsn: str) -> Iterator[Engine]:
    """An engine with several connections that nobody uses at the moment."""
    engine = create_engine(parse_dsn(f"{dsn}&max_conns=8&max_idle_conns={POOLED}"))
    try:
        with ExitStack() as connections:
            for _ in range(POOLED):
                connections.enter_context(engine.connect())
        yield engine
    finally:
        engine.dispose()


def migrated(dsn: str) -> None:
    migrate.up(parse_dsn(dsn))
    engine = create_engine(parse_dsn(dsn))
    SqlDatabase(engine).ensure_network(NIL_NETWORK)
    engine.dispose()


# MariaDB


@pytest.fixture(scope="module")
def mariadb_pair() -> Iterator[tuple[ServerProcess, ServerProcess]]:
    with ExitStack() as stack:
        yield (
            prepared(stack, mariadb.mysql_process),
            prepared(stack, mariadb.mysql_process),
        )


def without_privileges(process: ServerProcess) -> str:
    """The DSN of a migrated database of an account that a read-only server refuses."""
    service = mariadb.MySqlService(mariadb.dsn_of(process))
    service.execute("SET GLOBAL read_only = 0")
    service.execute("CREATE DATABASE IF NOT EXISTS keys_db CHARACTER SET utf8mb4")
    service.execute("CREATE USER IF NOT EXISTS app@'127.0.0.1' IDENTIFIED BY 'app-password'")
    service.execute("GRANT ALL ON keys_db.* TO app@'127.0.0.1'")
    dsn = f"mysql://app:app-password@tcp(127.0.0.1:{process.port})/keys_db?parseTime=true"
    migrated(dsn)
    return dsn


def through(dsn: str, port: int) -> str:
    return re.sub(r":\d+\)", f":{port})", dsn)


def set_read_only(process: ServerProcess, value: int) -> None:
    mariadb.MySqlService(mariadb.dsn_of(process)).execute(f"SET GLOBAL read_only = {value}")


def test_a_demoted_primary_on_mariadb_is_left_at_the_first_refusal(
    mariadb_pair: tuple[ServerProcess, ServerProcess],
) -> None:
    old, new = mariadb_pair
    dsn = without_privileges(old)
    without_privileges(new)
    with Forwarder(old.port) as address, pooled(through(dsn, address.port)) as engine:
        keys, database = SqlKeyRepository(engine), SqlDatabase(engine)
        before = make_key(NIL_NETWORK)
        add(keys, before)
        database.ping()
        set_read_only(old, 1)
        address.target = new.port
        # All of it at the first attempt, though every pooled connection is to the old one.
        after = make_key(NIL_NETWORK)
        add(keys, after)
        assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, after.key_id)) == after
        # Readers left with the writer: the old server would say what was true once.
        with ExitStack() as connections:
            for _ in range(POOLED):
                connection = connections.enter_context(engine.connect())
                port = connection.execute(text("SELECT @@global.port")).scalar_one()
                assert port == new.port
        database.ping()


def test_readiness_alone_leaves_a_demoted_primary(
    mariadb_pair: tuple[ServerProcess, ServerProcess],
) -> None:
    old, new = mariadb_pair
    dsn = without_privileges(old)
    without_privileges(new)
    with Forwarder(old.port) as address, pooled(through(dsn, address.port)) as engine:
        set_read_only(old, 1)
        with pytest.raises(ServiceUnavailable):
            SqlDatabase(engine).ping()
        address.target = new.port
        SqlDatabase(engine).ping()


def test_a_server_that_stays_read_only_is_not_ready_and_not_dialled_for_ever(
    mariadb_pair: tuple[ServerProcess, ServerProcess],
) -> None:
    server, _ = mariadb_pair
    dsn = without_privileges(server)
    with Forwarder(server.port) as address, pooled(through(dsn, address.port)) as engine:
        keys, key = SqlKeyRepository(engine), make_key(NIL_NETWORK)
        add(keys, key)
        set_read_only(server, 1)
        for operation in operations(keys, engine)[2:4]:
            dialled = address.accepted
            with pytest.raises(ServiceUnavailable) as caught:
                operation()
            assert "read-only" in str(caught.value.__cause__)
            assert address.accepted - dialled <= 2
        with pytest.raises(ServiceUnavailable):
            SqlDatabase(engine).ping()
        # Who only reads is served.
        assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key
        set_read_only(server, 0)
        SqlDatabase(engine).ping()
        add(keys, make_key(NIL_NETWORK))


@pytest.mark.parametrize("parameter", ["rejectReadOnly=true", "rejectReadOnly=false", ""])
def test_a_read_only_transaction_ends_its_connection(
    mariadb_pair: tuple[ServerProcess, ServerProcess], parameter: str
) -> None:
    """MySQL 1792, whatever the parameter of the Go driver says."""
    dsn = without_privileges(mariadb_pair[0])
    with pooled(f"{dsn}&{parameter}") as engine:
        seen = []

        def work(connection: object) -> None:
            seen.append(connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one())  # type: ignore[attr-defined]
            connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")  # type: ignore[attr-defined]
            connection.exec_driver_sql("COMMIT")  # type: ignore[attr-defined]
            connection.exec_driver_sql("START TRANSACTION")  # type: ignore[attr-defined]
            connection.exec_driver_sql("DELETE FROM networks WHERE id = 'none'")  # type: ignore[attr-defined]

        with pytest.raises(ServiceUnavailable):
            Transactions(engine).write("work", work)
        assert len(set(seen)) == 2
        add(SqlKeyRepository(engine), make_key(NIL_NETWORK))


# PostgreSQL


@pytest.fixture
def postgres_pair() -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """A primary and its standby."""
    with ExitStack() as stack:
        primary = prepared(stack, postgres.postgres_process)
        migrated(postgres.dsn_of(primary))
        standby = prepared(stack, lambda: postgres.standby_process(primary))
        yield primary, standby


def execute(process: ServerProcess, statement: str) -> object:
    with closing(psycopg.connect(postgres.dsn_of(process), autocommit=True)) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return None if row is None else row[0]


def both(first: ServerProcess, second: ServerProcess, parameters: str = "") -> str:
    """A DSN with two hosts."""
    dsn = postgres.dsn_of(first).replace(f":{first.port}", f":{first.port},127.0.0.1:{second.port}")
    return f"{dsn}{parameters}"


def promote(process: ServerProcess) -> None:
    execute(process, "SELECT pg_promote(true, 60)")


READ_WRITE = "&target_session_attrs=read-write"


def server_of(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql("SELECT inet_server_port()").scalar_one()


def test_a_fenced_primary_on_postgres_is_left_for_the_promoted_standby(
    postgres_pair: tuple[ServerProcess, ServerProcess],
) -> None:
    """Fenced by a setting: its connections live on and refuse every write (25006)."""
    old, new = postgres_pair
    with pooled(both(old, new, READ_WRITE)) as engine:
        keys, database = SqlKeyRepository(engine), SqlDatabase(engine)
        add(keys, make_key(NIL_NETWORK))
        database.ping()
        assert server_of(engine) == old.port
        execute(old, "ALTER SYSTEM SET default_transaction_read_only = on")
        execute(old, "SELECT pg_reload_conf()")
        with pytest.raises(ServiceUnavailable):
            # Nowhere can be written to.
            until_refused(database.ping)
        promote(new)
        key = make_key(NIL_NETWORK)
        add(keys, key)
        assert server_of(engine) == new.port
        database.ping()
        assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key


def until_refused(ask: Callable[[], None]) -> None:
    """Ask until the reloaded setting has reached the server's processes."""
    for _ in range(10_000):
        ask()


def test_a_killed_primary_on_postgres_is_left_for_the_promoted_standby(
    postgres_pair: tuple[ServerProcess, ServerProcess],
) -> None:
    old, new = postgres_pair
    with pooled(both(old, new, READ_WRITE)) as engine:
        keys, database = SqlKeyRepository(engine), SqlDatabase(engine)
        add(keys, make_key(NIL_NETWORK))
        old.kill()
        with pytest.raises(ServiceUnavailable):
            add(keys, make_key(NIL_NETWORK))
        with pytest.raises(ServiceUnavailable):
            database.ping()
        promote(new)
        add(keys, make_key(NIL_NETWORK))
        database.ping()


def test_a_standby_is_never_ready_and_becomes_so_when_it_is_promoted(
    postgres_pair: tuple[ServerProcess, ServerProcess],
) -> None:
    """Without target_session_attrs the first host that answers is taken, whatever it is."""
    primary, standby = postgres_pair
    key = make_key(NIL_NETWORK)
    with pooled(postgres.dsn_of(primary)) as engine:
        add(SqlKeyRepository(engine), key)
    with pooled(both(standby, primary)) as engine:
        keys, database = SqlKeyRepository(engine), SqlDatabase(engine)
        with pytest.raises(ServiceUnavailable):
            database.ping()
        with pytest.raises(ServiceUnavailable):
            add(keys, make_key(NIL_NETWORK))
        promote(standby)
        database.ping()
        add(keys, make_key(NIL_NETWORK))
        assert server_of(engine) == standby.port
