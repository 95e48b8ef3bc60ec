"""Moving a database between schema versions (contract 13.4), on every database."""

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import Connection

from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import DatabaseUrl, parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from talos.adapters.sql.schema_version import (
    STEP_TABLE,
    VERSION_TABLE,
    SchemaStatus,
    latest_version,
)
from talos.adapters.sql.tables import metadata
from talos.domain.events import AuditEvent, EventName
from talos.domain.keys import NIL_NETWORK, KeyKind
from talos.errors import FailedPrecondition, SchemaBehind, ServiceUnavailable
from tests.integration.repository_contract import add
from tests.integration.sample_keys import make_key
from tests.support.servers import MySqlService, PostgresService

LATEST = latest_version()


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUrl]:
    """A database without tables; on SQLite without a file."""
    if request.param == "sqlite":
        yield parse_dsn(f"sqlite://{tmp_path}/new.db")
        return
    service: PostgresService | MySqlService = request.getfixturevalue(f"{request.param}_service")
    dsn = service.create_database()
    yield parse_dsn(dsn)
    service.drop_database(dsn)


def in_database(url: DatabaseUrl, work: Callable[[Connection], object]) -> object:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def run(url: DatabaseUrl, statement: str) -> None:
    in_database(url, lambda connection: connection.execute(text(statement)))


def required(url: DatabaseUrl) -> None:
    database = SqlDatabase(create_engine(url))
    try:
        database.require_schema()
    finally:
        database.close()


def test_up_and_down(empty: DatabaseUrl) -> None:
    assert migrate.status(empty) == SchemaStatus(None, dirty=False, latest=LATEST)
    assert migrate.up(empty) == migrate.Migrated(0, LATEST)
    assert migrate.status(empty) == SchemaStatus(LATEST, dirty=False, latest=LATEST)
    assert migrate.up(empty) == migrate.Migrated(LATEST, LATEST)
    assert migrate.down(empty) == migrate.Migrated(LATEST, LATEST - 1)
    migrate.up(empty)
    # More steps than there are: all the way down.
    assert migrate.down(empty, LATEST + 5) == migrate.Migrated(LATEST, 0)
    assert migrate.status(empty).version is None
    assert migrate.down(empty) == migrate.Migrated(0, 0)
    assert migrate.up(empty) == migrate.Migrated(0, LATEST)
    required(empty)


def test_the_tables_of_the_migrations_are_those_of_the_queries(empty: DatabaseUrl) -> None:
    migrate.up(empty)

    def differences(connection: Connection) -> object:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    kind != "table" or name not in (VERSION_TABLE, STEP_TABLE.name)
                ),
            },
        )
        return compare_metadata(context, metadata)

    assert in_database(empty, differences) == []


def test_the_keys_that_would_go_are_counted(empty: DatabaseUrl) -> None:
    assert migrate.dropped_by(empty) == migrate.Dropped()
    migrate.up(empty)
    assert migrate.dropped_by(empty, LATEST) == migrate.Dropped()
    engine = create_engine(empty)
    for network in (NIL_NETWORK, "another"):
        SqlDatabase(engine).ensure_network(network)
        for kind in KeyKind:
            add(SqlKeyRepository(engine), make_key(network, kind))
    add(SqlKeyRepository(engine), make_key(NIL_NETWORK))
    engine.dispose()
    happened = AuditEvent(EventName.ISSUED_CREATED, NIL_NETWORK)
    engine = create_engine(empty)
    SqlKeyRepository(engine).insert(make_key(NIL_NETWORK), quota=0, now_ns=0, event=happened)
    engine.dispose()
    some = migrate.Dropped(issued=4, imported=2, events=1)
    assert migrate.dropped_by(empty, LATEST) == some
    assert migrate.dropped_by(empty, LATEST + 5) == some
    assert migrate.dropped_by(empty, LATEST - 1) == migrate.Dropped(events=1)
    # Asking drops nothing.
    assert migrate.status(empty).is_current
    migrate.down(empty, LATEST)
    assert migrate.dropped_by(empty) == migrate.Dropped()
    with pytest.raises(ValueError, match="at least 1"):
        migrate.dropped_by(empty, 0)


def test_steps_below_one_are_refused(empty: DatabaseUrl) -> None:
    for steps in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            migrate.down(empty, steps)
    with pytest.raises(ValueError, match="-1 or more"):
        migrate.force(empty, -2)


def test_force_sets_any_version(empty: DatabaseUrl) -> None:
    migrate.force(empty, 7)
    assert migrate.status(empty) == SchemaStatus(7, dirty=False, latest=LATEST)
    for step in (migrate.up, migrate.down):
        with pytest.raises(FailedPrecondition, match="version 7"):
            step(empty)
    for nothing in (migrate.NOT_INITIALISED, 0):
        migrate.force(empty, nothing)
        assert migrate.status(empty).version is None
    migrate.up(empty)
    migrate.force(empty, LATEST)
    required(empty)


def test_a_dirty_schema_stops_everything_until_forced(empty: DatabaseUrl) -> None:
    migrate.up(empty)
    run(empty, f"INSERT INTO {STEP_TABLE.name} (version) VALUES ({LATEST})")
    assert migrate.status(empty) == SchemaStatus(LATEST, dirty=True, latest=LATEST)
    assert not migrate.status(empty).is_current
    for step in (migrate.up, migrate.down):
        with pytest.raises(FailedPrecondition, match="talos migrate force"):
            step(empty)
    with pytest.raises(SchemaBehind, match="talos migrate force"):
        required(empty)
    migrate.force(empty, LATEST)
    required(empty)


def test_a_step_can_be_repeated_over_what_it_left_half_done(empty: DatabaseUrl) -> None:
    """As after a crash between two statements where each is committed for itself."""
    migrate.up(empty)
    for version, table in enumerate(("imported_api_keys", "events"), start=1):
        run(empty, f"DROP TABLE {table}")
        migrate.force(empty, version - 1)
        migrate.up(empty)
        required(empty)
        run(empty, f"SELECT nid FROM {table}")


def test_a_failed_step_leaves_no_trace_or_a_mark(
    empty: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(config: object, revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(text("CREATE TABLE half_done (id INTEGER)"))
        raise KeyboardInterrupt

    monkeypatch.setattr(migrate.command, "upgrade", fail)
    with pytest.raises(KeyboardInterrupt):
        migrate.up(empty)
    monkeypatch.undo()
    if empty.shown.startswith("mysql"):
        assert migrate.status(empty).dirty
        migrate.force(empty, migrate.NOT_INITIALISED)
    assert migrate.status(empty) == SchemaStatus(None, dirty=False, latest=LATEST)
    migrate.up(empty)
    required(empty)


def test_racing_migrations_agree(empty: DatabaseUrl) -> None:
    outcomes: list[migrate.Migrated] = []
    barrier = threading.Barrier(4)

    def migrate_up() -> None:
        barrier.wait()
        outcomes.append(migrate.up(empty))

    threads = [threading.Thread(target=migrate_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.before for outcome in outcomes) == [0, LATEST, LATEST, LATEST]
    assert {outcome.after for outcome in outcomes} == {LATEST}


def test_starts_at_once_make_the_network_once(empty: DatabaseUrl) -> None:
    migrate.up(empty)
    barrier = threading.Barrier(4)
    errors: list[Exception] = []

    def start() -> None:
        database = SqlDatabase(create_engine(empty), now_ns=lambda: 5)
        barrier.wait()
        try:
            database.require_schema()
            database.ensure_network(NIL_NETWORK)
            database.ping()
        except Exception as error:
            errors.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    rows = in_database(
        empty,
        lambda connection: connection.execute(
            text("SELECT created_at_ns, updated_at_ns FROM networks")
        ).all(),
    )
    assert rows == [(5, 5)]


def test_an_unmigrated_database_is_not_served(empty: DatabaseUrl) -> None:
    with pytest.raises(SchemaBehind, match="talos migrate up"):
        required(empty)
    if empty.path is not None:
        assert not empty.path.exists()
        migrate.status(empty)
        migrate.down(empty)
        assert not empty.path.exists()
    migrate.force(empty, LATEST)
    required(empty)
    migrate.force(empty, LATEST + 1)
    # While a deployment is updated, processes of the old version go on.
    required(empty)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_new_sqlite_file_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    import os

    before = os.umask(umask)
    try:
        url = parse_dsn(f"sqlite://{tmp_path}/new.db")
        migrate.up(url)
        engine = create_engine(url)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM networks"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


def test_an_existing_sqlite_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.touch(0o640)
    path.chmod(0o640)
    migrate.up(parse_dsn(f"sqlite://{path}"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_sqlite_files_that_cannot_be(tmp_path: Path) -> None:
    from talos.errors import ConfigurationError, InternalError

    folder = tmp_path / "is-a-folder.db"
    folder.mkdir()
    with pytest.raises((ServiceUnavailable, FailedPrecondition)):
        migrate.up(parse_dsn(f"sqlite://{folder}"))
    with pytest.raises((ServiceUnavailable, ConfigurationError), match="missing"):
        migrate.up(parse_dsn(f"sqlite://{tmp_path}/missing/new.db"))
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"not a database at all " * 100)
    with pytest.raises(InternalError) as caught:
        migrate.up(parse_dsn(f"sqlite://{garbage}"))
    assert "not a database" in migrate_text(caught.value)
    assert garbage.read_bytes() == b"not a database at all " * 100


def migrate_text(error: BaseException) -> str:
    from talos.adapters.sql.driver_errors import explain

    return explain(error)


def test_the_reference_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE schema_migrations (version, dirty)")
        old.execute("CREATE TABLE issued_api_keys (x)")
    old.close()
    url = parse_dsn(f"sqlite://{path}")
    for step in (migrate.up, migrate.down, lambda url: migrate.force(url, 1)):
        with pytest.raises(FailedPrecondition, match="adopt"):
            step(url)
    assert migrate.status(url).foreign
