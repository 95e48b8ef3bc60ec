"""PostgreSQL on a disk that is full, and MariaDB whose tables may grow no more."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.health import DatabaseHealth
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import NIL_NETWORK, KeyKind, KeyRef, Metadata
from talos.errors import ServiceUnavailable
from tests.integration.repository_contract import add
from tests.integration.sample_keys import make_key
from tests.support.servers import ServerProcess, Unavailable, mariadb, postgres
from tests.support.servers.process import server_uid
from tests.support.servers.small_disk import SmallDisk, can_mount

ROOM = "64m"
# All tables in one file that may not grow for long: MariaDB ends itself when a disk is full. What
# undoes changes lies elsewhere, or nothing could be deleted.
ONE_FILE = (
    "--innodb-file-per-table=0",
    "--innodb-data-file-path=ibdata1:12M:autoextend:max:24M",
    "--innodb-undo-tablespaces=2",
)


@contextmanager
def started(prepare: Callable[[], ServerProcess]) -> Iterator[ServerProcess]:
    try:
        process = prepare()
    except Unavailable as missing:
        if os.environ.get("TALOS_REQUIRE_SERVICES") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with process:
        process.start()
        yield process


def add_until_refused(keys: SqlKeyRepository, size_bytes: int = 20_000) -> None:
    for _ in range(20_000):
        # Random, since PostgreSQL makes short what repeats itself.
        filling = os.urandom(size_bytes).hex()
        add(keys, make_key(NIL_NETWORK, metadata=Metadata(f'{{"a":"{filling}"}}')))


def stays_full(keys: SqlKeyRepository, database: SqlDatabase) -> bool:
    """Whether probes are refused for good. The background undoes what was refused, and makes a
    little room each time, which is filled again.
    """
    for _ in range(50):
        for size_bytes in (20_000, 6_000):
            with pytest.raises(ServiceUnavailable):
                add_until_refused(keys, size_bytes)
        if not any(is_ready(database) for _ in range(3)):
            return True
    return False


def is_ready(database: SqlDatabase) -> bool:
    try:
        database.ping()
    except ServiceUnavailable:
        return False
    return True


def takes_writes(keys: SqlKeyRepository) -> bool:
    try:
        add(keys, make_key(NIL_NETWORK))
    except ServiceUnavailable:
        return False
    return True


def before_long(holds: Callable[[], bool]) -> bool:
    """Whether it holds some time: what was deleted is given back in the background, in parts."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


def full_and_not_full(
    dsn: str, says: str, fill: Callable[[], None], empty: Callable[[], None]
) -> None:
    """Fill the storage of a database, look what becomes of it, and make room again."""
    url = parse_dsn(dsn)
    migrate.up(url)
    health = DatabaseHealth(url)
    engine = create_engine(url)
    keys = SqlKeyRepository(engine, health=health)
    database = SqlDatabase(engine, health=health)
    database.ensure_network(NIL_NETWORK)
    first = make_key(NIL_NETWORK)
    add(keys, first)
    fill()
    with pytest.raises(ServiceUnavailable) as caught:
        add_until_refused(keys)
    assert says in str(caught.value.__cause__)
    # A process that has written nothing knows it, too, and goes on knowing it.
    other = SqlDatabase(engine, health=health)
    assert stays_full(keys, other)
    assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, first.key_id)) == first
    empty()
    # There may be room for what a probe writes before there is for a key's indexes.
    assert before_long(lambda: is_ready(other))
    assert before_long(lambda: takes_writes(keys))
    assert before_long(lambda: is_ready(other))
    assert not health.writes_failed
    # What the probes wrote, they removed.
    page = keys.list_page(
        NIL_NETWORK, KeyKind.ISSUED, limit=1000, before_id=None, actor_id="", status=None, now_ns=0
    )
    assert not page
    engine.dispose()


def test_a_full_disk_on_postgres() -> None:
    if not can_mount():
        pytest.skip("this account may not mount anything, even in a namespace of its own")
    with started(lambda: postgres.postgres_process(small_disk=ROOM)) as process:
        dsn = postgres.dsn_of(process)
        with closing(psycopg.connect(dsn, autocommit=True)) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{process.small}'".encode())
            connection.execute("CREATE DATABASE cramped TABLESPACE small")
        disk = SmallDisk(process.pid, process.small, account=server_uid())
        cramped = dsn.replace("/postgres?", "/cramped?")
        full_and_not_full(cramped, "No space left on device", disk.fill, disk.empty)


def test_a_full_tablespace_on_mariadb() -> None:
    with started(lambda: mariadb.mysql_process(*ONE_FILE)) as process:
        service = mariadb.MySqlService(mariadb.dsn_of(process))
        dsn = service.create_database()
        database = dsn.partition("?")[0].rpartition("/")[2]

        def empty() -> None:
            service.execute(f"DELETE FROM {database}.issued_api_keys WHERE LENGTH(metadata) > 9000")

        full_and_not_full(dsn, "is full", lambda: None, empty)
