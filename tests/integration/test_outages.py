"""A network database that is down, silent, slow or in the way (contract 3.2, 16.19)."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql import engine as engine_module
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.driver_errors import explain
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.transactions import Transactions
from talos.domain.keys import NIL_NETWORK, Key, KeyKind, KeyRef
from talos.errors import (
    FailedPrecondition,
    GatewayTimeout,
    InternalError,
    ServiceUnavailable,
    TalosError,
)
from tests.integration.repository_contract import add, race
from tests.integration.sample_keys import NOW_NS, make_key
from tests.support.outages import Server, connected, operations, started
from tests.support.writes import change

SECOND_NS = 1_000_000_000


@pytest.fixture(scope="module", params=["postgres", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = started(request.param)
    yield server
    server.process.close()


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    with connected(server.dsn) as engine:
        yield engine


@pytest.fixture
def keys(engine: Engine) -> SqlKeyRepository:
    return SqlKeyRepository(engine)


def test_a_database_that_is_down_is_unavailable_and_comes_back_by_itself(
    server: Server, keys: SqlKeyRepository, engine: Engine
) -> None:
    key = make_key(NIL_NETWORK)
    add(keys, key)
    server.process.kill()
    try:
        for operation in operations(keys, engine):
            with pytest.raises(ServiceUnavailable) as caught:
                operation()
            assert caught.value.message == ServiceUnavailable.default_message
            assert "test-password" not in explain(caught.value)
    finally:
        server.process.start()
    assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key


@pytest.mark.parametrize("write", [False, True])
def test_a_restart_between_two_requests_is_not_noticed(
    server: Server, keys: SqlKeyRepository, write: bool
) -> None:
    """The pool is full of connections to a server that is no more."""
    key = make_key(NIL_NETWORK)
    race(*[lambda: keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id))] * 3)
    server.process.stop()
    server.process.start()
    if write:
        add(keys, key)
    assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == (key if write else None)


def test_what_was_acknowledged_survives_a_crash_of_the_server(
    server: Server, keys: SqlKeyRepository
) -> None:
    for _ in range(3):
        acknowledged: list[str] = []
        stop = threading.Event()

        def write(acknowledged: list[str] = acknowledged, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                key = make_key(NIL_NETWORK)
                try:
                    keys.insert(key, quota=0, now_ns=NOW_NS)
                except ServiceUnavailable:
                    return
                acknowledged.append(key.key_id)

        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        while len(acknowledged) < 40:
            assert any(writer.is_alive() for writer in writers)
        server.process.kill()
        stop.set()
        for writer in writers:
            writer.join()
        server.process.start()
        found = keys.get_many(NIL_NETWORK, KeyKind.ISSUED, acknowledged)
        assert set(found) == set(acknowledged)


def test_a_silent_server_is_a_timeout(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "ANSWER_TIMEOUT_S", 0.3)
    dsn = server.dsn
    if dsn.startswith("mysql"):
        dsn = server.with_parameters("readTimeout=300ms")
    key = make_key(NIL_NETWORK)
    with connected(dsn) as engine:
        keys = SqlKeyRepository(engine)
        with engine.connect() as connection:
            pid = server.process.pid
            if engine.dialect.name == "postgresql":
                pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(GatewayTimeout) as caught:
                keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id))
            assert caught.value.message == GatewayTimeout.default_message
        finally:
            os.kill(pid, signal.SIGCONT)
        # Whatever that connection still says is nobody's answer.
        add(keys, key)
        assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key


def test_a_lock_that_stays_is_a_timeout(server: Server, keys: SqlKeyRepository) -> None:
    key = make_key(NIL_NETWORK)
    add(keys, key)
    limit = (
        "innodb_lock_wait_timeout=1"
        if server.dsn.startswith("mysql")
        else "statement_timeout=200ms"
    )
    with connected(server.with_parameters(limit)) as engine:
        impatient = SqlKeyRepository(engine)

        def meanwhile(old: Key) -> Key:
            with pytest.raises(GatewayTimeout):
                change(impatient, KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id), lambda key: key)
            return replace(old, name="done")

        change(keys, KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id), meanwhile)
        stored = impatient.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id))
    assert stored == replace(key, name="done")


def test_an_exhausted_pool_is_a_timeout(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "POOL_TIMEOUT_S", 0.05)
    with connected(server.with_parameters("max_conns=1&max_idle_conns=1")) as engine:
        keys = SqlKeyRepository(engine)
        with engine.connect(), pytest.raises(GatewayTimeout):
            keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, "x"))
        assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, "x")) is None


def test_a_wrong_password_is_unavailable_and_told_to_nobody(server: Server) -> None:
    dsn = server.dsn.replace("test-password", "wrong-password")
    with connected(dsn) as engine:
        database = SqlDatabase(engine)
        with pytest.raises(ServiceUnavailable) as caught:
            database.wait_until_reachable(patience_ns=0)
    assert caught.value.message == ServiceUnavailable.default_message
    assert "talos" in explain(caught.value)
    assert "wrong-password" not in explain(caught.value)


def test_a_statement_that_is_refused_is_internal_and_tells_nothing(
    keys: SqlKeyRepository, engine: Engine
) -> None:
    # Longer than any column: a fault of the caller, which the rules keep out.
    with pytest.raises(InternalError) as caught:
        keys.insert(make_key(NIL_NETWORK, name="x" * 2000), quota=0, now_ns=NOW_NS)
    assert caught.value.message == "create API key"
    with pytest.raises(InternalError, match=r"^ask$"):
        Transactions(engine).read("ask", lambda c: c.execute(text("SELECT no_such_column")))


def kill_connection(server: Server, connection: Connection) -> None:
    """End a connection from outside, as a failover or an administrator does."""
    is_postgres = connection.dialect.name == "postgresql"
    own = "SELECT pg_backend_pid()" if is_postgres else "SELECT CONNECTION_ID()"
    number = connection.exec_driver_sql(own).scalar_one()
    with connected(server.dsn) as engine, engine.connect() as other:
        if is_postgres:
            other.execute(text("SELECT pg_terminate_backend(:number, 5000)"), {"number": number})
        else:
            other.exec_driver_sql(f"KILL CONNECTION {number}")


def test_a_connection_lost_before_the_commit_is_replaced(server: Server, engine: Engine) -> None:
    calls = 0

    def work(connection: Connection) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            kill_connection(server, connection)
        return int(connection.execute(text("SELECT 42")).scalar_one())

    assert Transactions(engine).write("work", work) == 42
    assert calls == 2
    calls = 0
    assert Transactions(engine).read("work", work) == 42
    assert calls == 2


def test_a_connection_lost_at_the_commit_is_not_tried_again(server: Server, engine: Engine) -> None:
    """Nobody knows what became of it."""
    calls = 0

    def work(connection: Connection) -> None:
        nonlocal calls
        calls += 1
        kill_connection(server, connection)

    with pytest.raises(ServiceUnavailable):
        Transactions(engine).write("work", work)
    assert calls == 1


def test_connections_that_die_again_and_again_are_given_up(server: Server, engine: Engine) -> None:
    calls = 0

    def work(connection: Connection) -> None:
        nonlocal calls
        calls += 1
        kill_connection(server, connection)
        connection.execute(text("SELECT 1"))

    with pytest.raises(ServiceUnavailable):
        Transactions(engine).write("work", work)
    assert 1 < calls < 20


def test_a_deadlock_is_resolved_and_nobody_sees_it(keys: SqlKeyRepository, engine: Engine) -> None:
    pair = [make_key(NIL_NETWORK, name="") for _ in range(2)]
    add(keys, *pair)
    first_locked = threading.Barrier(2)
    transactions = Transactions(engine)
    attempts: list[str] = []

    def append(letter: str, order: list[Key]) -> None:
        def work(connection: Connection) -> None:
            first_attempt = letter not in attempts
            attempts.append(letter)
            for step, key in enumerate(order):
                connection.execute(
                    text("UPDATE issued_api_keys SET actor_id = :letter WHERE key_id = :id"),
                    {"letter": letter, "id": key.key_id},
                )
                if step == 0 and first_attempt:
                    first_locked.wait()

        transactions.write("append", work)

    outcomes = race(lambda: append("a", pair), lambda: append("b", pair[::-1]))
    assert outcomes == [None, None]
    assert len(attempts) == 3
    stored = keys.get_many(NIL_NETWORK, KeyKind.ISSUED, [key.key_id for key in pair])
    assert len({key.actor_id for key in stored.values() if isinstance(key, Key)}) == 1


def test_a_start_waits_for_the_database(
    server: Server, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    database = SqlDatabase(engine)
    server.process.stop()
    starter = threading.Timer(1.2, server.process.start)
    starter.start()
    try:
        database.wait_until_reachable(60 * SECOND_NS)
    finally:
        starter.join()
    database.ping()
    # The first three attempts are quiet: 0, 0.1 and 0.3 seconds after the start.
    assert "not reachable, attempt 4" in caplog.text
    assert "attempt 3" not in caplog.text
    assert "test-password" not in caplog.text


def test_a_start_gives_up(server: Server, engine: Engine) -> None:
    server.process.stop()
    try:
        with pytest.raises(ServiceUnavailable):
            SqlDatabase(engine).wait_until_reachable(SECOND_NS // 5)
    finally:
        server.process.start()


def backend(engine: Engine) -> object:
    is_postgres = engine.dialect.name == "postgresql"
    with engine.connect() as connection:
        own = "SELECT pg_backend_pid()" if is_postgres else "SELECT CONNECTION_ID()"
        return connection.exec_driver_sql(own).scalar_one()


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ("max_conn_idle_time=1ns", False),
        ("max_conn_idle_time=1h", True),
        ("max_conn_idle_time=0", True),
    ],
)
def test_idle_connections_are_retired(server: Server, parameters: str, kept: bool) -> None:
    with connected(server.with_parameters(parameters)) as engine:
        assert (backend(engine) == backend(engine)) is kept


def test_session_parameters_reach_every_connection(server: Server) -> None:
    if server.dsn.startswith("mysql"):
        parameters, question = "max_sp_recursion_depth=7", "SELECT @@max_sp_recursion_depth"
    else:
        parameters, question = "work_mem=7MB", "SHOW work_mem"
    with connected(server.with_parameters(parameters)) as engine:
        for _ in range(2):
            with engine.connect() as connection:
                assert connection.exec_driver_sql(question).scalar_one() in (7, "7MB")
            engine.dispose()


def test_a_refusal_of_ours_undoes_the_transaction(keys: SqlKeyRepository, engine: Engine) -> None:
    key = make_key(NIL_NETWORK)

    def work(connection: Connection) -> None:
        connection.execute(text("DELETE FROM networks"))
        raise FailedPrecondition

    add(keys, key)
    with pytest.raises(TalosError):
        Transactions(engine).write("work", work)
    assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key


def test_postgres_prepares_nothing_when_told(server: Server) -> None:
    if server.dsn.startswith("mysql"):
        parameters = "maxAllowedPacket=0"
    else:
        parameters = "default_query_exec_mode=simple_protocol"
    with connected(server.with_parameters(parameters)) as engine:
        keys = SqlKeyRepository(engine)
        for _ in range(12):
            keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, "x"))
        if engine.dialect.name == "postgresql":
            with engine.connect() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, psycopg.Connection)
                assert driver.prepare_threshold is None
                prepared = text("SELECT COUNT(*) FROM pg_prepared_statements")
                assert connection.execute(prepared).scalar_one() == 0
