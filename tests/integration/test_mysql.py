"""What MySQL and MariaDB need of us."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine, writing
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import NIL_NETWORK, KeyKind, KeyRef
from tests.integration.repository_contract import add
from tests.integration.sample_keys import NOW_NS, make_key


@pytest.fixture
def mysql_engine(mysql_dsn: str) -> Iterator[Engine]:
    engine = create_engine(parse_dsn(f"{mysql_dsn}&max_conns=1&max_idle_conns=1"))
    SqlDatabase(engine).ensure_network(NIL_NETWORK)
    yield engine
    engine.dispose()


def questions(engine: Engine) -> int:
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Questions'").one()
        return int(row[1])


def test_a_read_is_one_round_trip(mysql_engine: Engine) -> None:
    keys = SqlKeyRepository(mysql_engine)
    key = make_key(NIL_NETWORK)
    add(keys, key)
    before = questions(mysql_engine)
    for _ in range(10):
        assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key
    assert questions(mysql_engine) - before == 11


def test_what_was_not_committed_is_undone(mysql_engine: Engine) -> None:
    """On the one connection of the pool, which remembers everything that was left behind."""
    with writing(mysql_engine).connect() as connection, connection.begin() as transaction:
        connection.execute(text("DELETE FROM networks"))
        transaction.rollback()
    with pytest.raises(ZeroDivisionError), writing(mysql_engine).begin() as connection:
        connection.execute(text("DELETE FROM networks"))
        raise ZeroDivisionError
    with pytest.raises(DBAPIError), writing(mysql_engine).begin() as connection:
        connection.execute(text("DELETE FROM networks"))
        connection.execute(text("SELECT no_such_column"))
    with writing(mysql_engine).connect() as connection:
        connection.execute(text("DELETE FROM networks"))
        connection.execute(text("SELECT 1")).all()
    other = SqlKeyRepository(mysql_engine)
    assert other.insert(make_key(NIL_NETWORK), quota=1, now_ns=NOW_NS).created


def test_the_session_is_strict_and_reads_what_is_committed(mysql_engine: Engine) -> None:
    with mysql_engine.connect() as connection:
        assert connection.dialect.name == "mysql"
        mode = connection.exec_driver_sql("SELECT @@sql_mode").scalar_one()
        assert "STRICT_ALL_TABLES" in mode
        version = str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
        name = "tx_isolation" if "MariaDB" in version else "transaction_isolation"
        isolation = connection.exec_driver_sql(f"SELECT @@{name}").scalar_one()
        assert isolation == "READ-COMMITTED"
