"""Moving a database between schema versions (contract 13.4), over Alembic.

The functions return data and print nothing; the command line tells people. All of them raise
``ServiceUnavailable``, ``GatewayTimeout`` or ``InternalError`` for database trouble, and
``FailedPrecondition`` where the state of the schema forbids the step.

Versions are whole numbers from 1; a database is *not initialised* before the first. A database
that commits schema changes one by one (MySQL, MariaDB) is *dirty* after a step that did not end:
someone looks at it, then says with ``force`` which version it has. Every step may be applied again
over what it left half done. Other databases undo an interrupted step by themselves.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Table, func, select, text
from sqlalchemy.engine import Connection

from talos.adapters.sql.driver_errors import translated
from talos.adapters.sql.dsn import DatabaseUrl, Product
from talos.adapters.sql.engine import create_engine, writing
from talos.adapters.sql.schema_version import (
    MIGRATIONS,
    STEP_TABLE,
    VERSION_TABLE,
    SchemaStatus,
    latest_version,
    read_status,
    revision_of,
)
from talos.adapters.sql.sqlite_file import SqliteFile
from talos.adapters.sql.tables import KEY_TABLES, events
from talos.domain.keys import KeyKind
from talos.errors import FailedPrecondition, ServiceUnavailable

__all__ = [
    "NOT_INITIALISED",
    "Dropped",
    "Migrated",
    "SchemaStatus",
    "down",
    "dropped_by",
    "force",
    "status",
    "up",
]

NOT_INITIALISED: Final = -1
"""The version to ``force`` for a database without any."""

_KEYS_VERSION: Final = 1
"""The version that makes the tables of keys; undoing it drops them."""
_EVENTS_VERSION: Final = 2
"""The version that makes the event log."""
_LOCK_NAME: Final = "talos_schema"
_LOCK_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Migrated:
    """What ``up`` or ``down`` did: versions before and after, 0 for not initialised."""

    before: int
    after: int


def status(url: DatabaseUrl) -> SchemaStatus:
    """Return the state of the schema. A missing SQLite file is not created: it has no version."""
    if url.path is not None and not url.path.exists():
        return SchemaStatus(None, dirty=False, latest=latest_version())
    engine = create_engine(url)
    try:
        with translated("read schema version"), engine.connect() as connection:
            return read_status(connection)
    finally:
        engine.dispose()


def up(url: DatabaseUrl) -> Migrated:
    """Apply every pending version, and make the file of an SQLite database (mode 0600).

    Raises ``FailedPrecondition`` for a dirty schema, for one newer than this program, and for the
    tables of another system.
    """
    _create_file(url)
    with _alone(url) as connection:
        before = read_status(connection)
        _require_steppable(before)
        current = before.version or 0
        for version in range(current + 1, before.latest + 1):
            with _step(connection, version):
                command.upgrade(_alembic(connection), revision_of(version))
        return Migrated(current, before.latest)


def down(url: DatabaseUrl, steps: int = 1) -> Migrated:
    """Undo the last ``steps`` versions, or as many as there are; data goes with its tables.

    Raises ``ValueError`` for fewer than one step, and ``FailedPrecondition`` as ``up`` does. A
    database that is not initialised is left alone.
    """
    if steps < 1:
        raise ValueError("the number of steps must be at least 1")
    if url.path is not None and not url.path.exists():
        return Migrated(0, 0)
    with _alone(url) as connection:
        before = read_status(connection)
        _require_steppable(before)
        current = before.version or 0
        target = max(0, current - steps)
        for version in range(current, target, -1):
            with _step(connection, version):
                below = revision_of(version - 1) if version > 1 else "base"
                command.downgrade(_alembic(connection), below)
        return Migrated(current, target)


@dataclass(frozen=True, slots=True)
class Dropped:
    """How much of all networks a step drops: keys, and events of the event log."""

    issued: int = 0
    imported: int = 0
    events: int = 0


def dropped_by(url: DatabaseUrl, steps: int = 1) -> Dropped:
    """Return what ``down`` would drop with ``steps``.

    Nothing is changed, and the answer is of this moment: a running server may add to it until
    ``down`` begins. Raises ``ValueError`` for fewer than one step, and ``FailedPrecondition`` where
    ``down`` would.
    """
    if steps < 1:
        raise ValueError("the number of steps must be at least 1")
    if url.path is not None and not url.path.exists():
        return Dropped()
    engine = create_engine(url)
    try:
        with translated("count API keys"), engine.connect() as connection:
            state = read_status(connection)
            _require_steppable(state)
            version = state.version or 0

            def counted(table: Table, made_by: int) -> int:
                if not version - steps < made_by <= version:
                    return 0
                count = select(func.count()).select_from(table)
                return int(connection.execute(count).scalar_one())

            return Dropped(
                issued=counted(KEY_TABLES[KeyKind.ISSUED], _KEYS_VERSION),
                imported=counted(KEY_TABLES[KeyKind.IMPORTED], _KEYS_VERSION),
                events=counted(events, _EVENTS_VERSION),
            )
    finally:
        engine.dispose()


def force(url: DatabaseUrl, version: int) -> None:
    """Say which version the database has, and that it is clean; no table of keys is touched.

    Whether there is such a version is not asked. ``NOT_INITIALISED`` and 0 stand for none. Raises
    ``ValueError`` for another negative number, and ``FailedPrecondition`` for another system's
    tables.
    """
    if version < NOT_INITIALISED:
        raise ValueError(f"the version must be {NOT_INITIALISED} or more")
    _create_file(url)
    with _alone(url) as connection:
        _require_ours(read_status(connection))
        versions = _alembic_versions(connection)
        STEP_TABLE.create(connection, checkfirst=True)
        connection.execute(STEP_TABLE.delete())
        connection.execute(text(f"DELETE FROM {versions}"))  # noqa: S608  (a constant)
        if version > 0:
            connection.execute(
                # The name of the table is a constant.
                text(f"INSERT INTO {versions} (version_num) VALUES (:revision)"),  # noqa: S608
                {"revision": revision_of(version)},
            )


def _alembic_versions(connection: Connection) -> str:
    """Let Alembic make its table if need be, and return its name."""
    command.ensure_version(_alembic(connection))
    return VERSION_TABLE


def _alembic(connection: Connection) -> Config:
    config = Config()
    # Alembic interpolates percent signs in options.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _create_file(url: DatabaseUrl) -> None:
    """Make an empty SQLite file that only its owner can read; SQLite copies the mode to its own."""
    if url.path is None:
        return
    try:
        with suppress(FileExistsError):
            os.close(os.open(url.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise ServiceUnavailable(f"cannot create {url.shown}: {error.strerror}") from error
    with translated("migrate"):
        SqliteFile(url.path).require_writable()


def _require_ours(state: SchemaStatus) -> None:
    if state.foreign:
        raise FailedPrecondition(
            "the database belongs to another system; to take its keys over into a new database, "
            "run `talos migrate up`, then `talos migrate adopt --from` with this one"
        )


def _require_steppable(state: SchemaStatus) -> None:
    _require_ours(state)
    if state.dirty:
        raise FailedPrecondition(
            "the schema is dirty: a step did not end; look at the tables, then set the version "
            "with `talos migrate force VERSION`"
        )
    if state.version is not None and state.version > state.latest:
        raise FailedPrecondition(
            f"the schema has version {state.version}, this program knows {state.latest}"
        )


@contextmanager
def _alone(url: DatabaseUrl) -> Iterator[Connection]:
    """Connect, and keep others from migrating meanwhile; one transaction where that can be."""
    engine = create_engine(url)
    # MySQL ends a transaction at every change of the schema.
    chosen = engine if url.product is Product.MYSQL else writing(engine)
    try:
        with translated("migrate"), chosen.begin() as connection:
            _lock(connection, url.product)
            yield connection
    finally:
        # The lock of MySQL ends with its connection.
        engine.dispose()


def _lock(connection: Connection, product: Product) -> None:
    if product is Product.POSTGRES:
        # Waiting for another migration is no reason to give up.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        key = func.hashtext(_LOCK_NAME)
        connection.execute(select(func.pg_advisory_xact_lock(key)))
    elif product is Product.MYSQL:
        # The lock is the server's, and its name may not be long.
        name = func.concat(_LOCK_NAME, ".", func.md5(func.database()))
        if connection.execute(select(func.get_lock(name, _LOCK_TIMEOUT_S))).scalar() != 1:
            raise FailedPrecondition("another migration is running")


@contextmanager
def _step(connection: Connection, version: int) -> Iterator[None]:
    """Mark the step as begun until it has ended. Within a transaction nobody sees the mark."""
    STEP_TABLE.create(connection, checkfirst=True)
    connection.execute(STEP_TABLE.insert().values(version=version))
    yield
    connection.execute(STEP_TABLE.delete())
