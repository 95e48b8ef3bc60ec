"""What SQLite needs of us (contract 16, 12 and 26)."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import NIL_NETWORK, KeyKind, KeyRef
from talos.errors import ConfigurationError, GatewayTimeout, SchemaBehind, ServiceUnavailable
from tests.integration.repository_contract import add
from tests.integration.sample_keys import NOW_NS, make_key
from tests.support.writes import change

REPOSITORY_ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(sqlite_dsn: str) -> Path:
    return Path(sqlite_dsn.removeprefix("sqlite://"))


@pytest.fixture
def sqlite_engine(sqlite_dsn: str) -> Iterator[Engine]:
    engine = create_engine(parse_dsn(sqlite_dsn))
    SqlDatabase(engine).ensure_network(NIL_NETWORK)
    yield engine
    engine.dispose()


@pytest.fixture
def keys(sqlite_engine: Engine) -> SqlKeyRepository:
    return SqlKeyRepository(sqlite_engine)


@pytest.fixture
def other_process(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that plays another process."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    yield connection
    connection.close()


def test_every_connection_is_set_up(sqlite_dsn: str) -> None:
    engine = create_engine(parse_dsn(f"{sqlite_dsn}?_pragma=cache_size(-512)"))
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            found = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
            assert found == ["wal", 2, 1, 10_000]
            assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == -512
    engine.dispose()


def test_readers_do_not_wait_for_a_writer(
    keys: SqlKeyRepository, other_process: sqlite3.Connection
) -> None:
    key = make_key(NIL_NETWORK)
    add(keys, key)
    other_process.execute("BEGIN IMMEDIATE")
    other_process.execute("UPDATE issued_api_keys SET name = 'not committed'")
    assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key
    other_process.execute("ROLLBACK")


def test_writers_wait_for_another_process(
    keys: SqlKeyRepository, other_process: sqlite3.Connection
) -> None:
    key = make_key(NIL_NETWORK)
    other_process.execute("BEGIN IMMEDIATE")
    writer = threading.Thread(target=add, args=(keys, key))
    writer.start()
    assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) is None
    other_process.execute("COMMIT")
    writer.join()
    assert keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id)) == key


def test_a_lock_that_stays_is_a_timeout(
    sqlite_dsn: str, keys: SqlKeyRepository, other_process: sqlite3.Connection
) -> None:
    engine = create_engine(parse_dsn(f"{sqlite_dsn}?_pragma=busy_timeout(1)"))
    impatient = SqlKeyRepository(engine)
    other_process.execute("BEGIN IMMEDIATE")
    with pytest.raises(GatewayTimeout) as caught:
        impatient.insert(make_key(NIL_NETWORK), quota=0, now_ns=NOW_NS)
    assert caught.value.message == GatewayTimeout.default_message
    other_process.execute("COMMIT")
    add(impatient, make_key(NIL_NETWORK))
    engine.dispose()


def test_a_change_reads_what_the_one_before_it_wrote(
    keys: SqlKeyRepository, other_process: sqlite3.Connection
) -> None:
    """A transaction that read first and locked later would fail or overwrite."""
    key = make_key(NIL_NETWORK, name="")
    add(keys, key)
    other_process.execute("BEGIN IMMEDIATE")
    other_process.execute("UPDATE issued_api_keys SET name = 'theirs'")
    writer = threading.Thread(
        target=change,
        args=(keys, key.ref, lambda old: replace(old, name=f"{old.name} and ours")),
    )
    writer.start()
    other_process.execute("COMMIT")
    writer.join()
    changed = keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, key.key_id))
    assert changed is not None
    assert changed.name == "theirs and ours"


def test_a_file_that_is_gone_is_unavailable_and_not_made_anew(
    keys: SqlKeyRepository, sqlite_engine: Engine, path: Path
) -> None:
    database = SqlDatabase(sqlite_engine)
    database.ping()
    sqlite_engine.dispose()
    path.unlink()
    with pytest.raises(ServiceUnavailable):
        database.ping()
    with pytest.raises(ServiceUnavailable):
        keys.get(KeyRef(NIL_NETWORK, KeyKind.ISSUED, "x"))
    with pytest.raises(ServiceUnavailable):
        keys.insert(make_key(NIL_NETWORK), quota=0, now_ns=NOW_NS)
    with pytest.raises(SchemaBehind, match="talos migrate up"):
        database.require_schema()
    assert not path.exists()


def test_a_folder_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing/talos\.db"):
        create_engine(parse_dsn(f"sqlite://{tmp_path}/missing/talos.db"))


def test_a_path_with_signs_of_a_url_is_that_path(tmp_path: Path) -> None:
    from talos.adapters.sql import migrate

    path = tmp_path / "a%20b #c&d=ü.db"
    url = parse_dsn(f"sqlite://{path}")
    migrate.up(url)
    assert path.exists()
    engine = create_engine(url)
    SqlDatabase(engine).require_schema()
    engine.dispose()
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def run_python(script: str, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        cwd=REPOSITORY_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


START = """
    import sys
    from talos.adapters.sql.database import SqlDatabase
    from talos.adapters.sql.dsn import parse_dsn
    from talos.adapters.sql.engine import create_engine
    from talos.adapters.sql.repository import SqlKeyRepository
    from talos.domain.keys import NIL_NETWORK
    from tests.integration.sample_keys import make_key
    print("ready", flush=True)
    sys.stdin.readline()
    engine = create_engine(parse_dsn(sys.argv[1]))
    database = SqlDatabase(engine)
    database.require_schema()
    database.ensure_network(NIL_NETWORK)
    for _ in range(20):
        SqlKeyRepository(engine).insert(make_key(NIL_NETWORK), quota=0, now_ns=0)
"""


def test_several_processes_start_and_write_at_once(path: Path, sqlite_dsn: str) -> None:
    """From a file that is not yet in write-ahead mode: all of them switch it."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    processes = [run_python(START, sqlite_dsn) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    assert [(process.communicate(), process.returncode)[1] for process in processes] == [0] * 4
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT COUNT(*) FROM issued_api_keys").fetchone() == (80,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


FORK = """
    import os, sys
    from talos.adapters.sql.dsn import parse_dsn
    from talos.adapters.sql.engine import create_engine
    from talos.adapters.sql.repository import SqlKeyRepository
    from talos.domain.keys import NIL_NETWORK, KeyKind
    from tests.integration.sample_keys import make_key
    engine = create_engine(parse_dsn(sys.argv[1]))
    keys = SqlKeyRepository(engine)
    keys.insert(make_key(NIL_NETWORK), quota=0, now_ns=0)
    assert engine.pool.checkedin() == 1
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            assert engine.pool.checkedin() == 0
            for _ in range(20):
                keys.insert(make_key(NIL_NETWORK), quota=0, now_ns=0)
            os._exit(0)
        children.append(child)
    for _ in range(20):
        keys.insert(make_key(NIL_NETWORK), quota=0, now_ns=0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
"""


def test_no_connection_crosses_a_fork(path: Path, sqlite_dsn: str, sqlite_engine: Engine) -> None:
    process = run_python(FORK, sqlite_dsn)
    process.communicate()
    assert process.returncode == 0
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT COUNT(*) FROM issued_api_keys").fetchone() == (81,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


WRITE = """
    import os, signal, sys
    from talos.adapters.sql.dsn import parse_dsn
    from talos.adapters.sql.engine import create_engine
    from talos.adapters.sql.repository import SqlKeyRepository
    from talos.domain.keys import NIL_NETWORK
    from tests.integration.sample_keys import make_key
    engine = create_engine(parse_dsn(sys.argv[1]))
    keys = SqlKeyRepository(engine)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            while True:
                key = make_key(NIL_NETWORK)
                keys.insert(key, quota=0, now_ns=0)
                os.write(1, f"{key.key_id}\\n".encode())
        os.write(1, f"pid {child}\\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"dead\\n")
"""


def test_what_was_acknowledged_survives_kill_9(
    sqlite_dsn: str, keys: SqlKeyRepository, path: Path
) -> None:
    process = run_python(WRITE, sqlite_dsn)
    assert process.stdin is not None
    assert process.stdout is not None
    acknowledged: list[str] = []
    for round_ in range(40):
        process.stdin.write(b"go\n")
        process.stdin.flush()
        child = 0
        killed_after = len(acknowledged) + 1 + round_ % 7
        while (line := process.stdout.readline().decode().strip()) != "dead":
            if line.startswith("pid "):
                child = int(line.removeprefix("pid "))
            else:
                acknowledged.append(line)
            if child and len(acknowledged) >= killed_after:
                os.kill(child, signal.SIGKILL)
                child = 0
                killed_after = sys.maxsize
    process.communicate()
    assert process.returncode == 0
    found = keys.get_many(NIL_NETWORK, KeyKind.ISSUED, acknowledged)
    assert len(acknowledged) >= 40
    assert set(found) == set(acknowledged)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
