"""Engines: one pool of connections each, set up for its kind of database.

A connection taken from an engine is in autocommit mode, so that a read costs one round trip. Who
writes takes ``writing(engine)`` and begins a transaction; ``transactions.py`` does so for all.
"""

import logging
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

import psycopg
import pymysql.connections
import sqlalchemy
from pymysql.constants import CR, SERVER_STATUS
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from talos.adapters.observability.log_throttle import LogThrottle
from talos.adapters.sql.dsn import DatabaseUrl, Product
from talos.adapters.sql.last_statements import forget_last_statements, send_with_commit
from talos.adapters.sql.pool import LastInPool
from talos.adapters.sql.schema_version import VERSION_TABLE
from talos.adapters.sql.wrong_server import end_connections_to_wrong_servers
from talos.errors import ConfigurationError

SQLITE_BUSY_TIMEOUT_S: Final = 10.0
POOL_TIMEOUT_S: Final = 10.0
STATEMENT_TIMEOUT_MS: Final = 10_000
"""After this the server gives a statement up (PostgreSQL), or the wait for a lock (MySQL)."""
ANSWER_TIMEOUT_S: Final = 15.0
"""After this the client gives up on a server that keeps the connection and says nothing."""

_BEGIN: Final = {
    # A transaction that began by reading could not wait for the write lock, only fail.
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED",
    "cockroachdb": "BEGIN ISOLATION LEVEL SERIALIZABLE",
    # The isolation is that of the session, see below.
    "mysql": "START TRANSACTION",
}

_DRIVERS: Final = {
    Product.SQLITE: "sqlite+pysqlite",
    Product.POSTGRES: "postgresql+psycopg",
    Product.COCKROACH: "cockroachdb+psycopg",
    Product.MYSQL: "mysql+pymysql",
}

# The journal mode is a property of the file, and a file of others is not ours to change.
_IS_OURS: Final = f"SELECT 1 FROM sqlite_master WHERE name = '{VERSION_TABLE}'"  # noqa: S608  (a constant)

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)
_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()


def create_engine(url: DatabaseUrl) -> Engine:
    """Return an engine for ``url``; nothing is connected yet.

    Raises ``ConfigurationError`` where the folder of an SQLite file does not exist. The file
    itself is never created here but by ``migrate.up``.
    """
    engine = sqlalchemy.create_engine(
        f"{_DRIVERS[url.product]}://",
        creator=_connector(url),
        poolclass=LastInPool,
        # What is above ``max_idle`` is closed by ``pool.IdleConnections``, not on return.
        pool_size=url.pool.max_open,
        max_overflow=0,
        pool_use_lifo=True,
        pool_recycle=-1 if url.pool.max_lifetime_s is None else int(url.pool.max_lifetime_s) or 1,
        pool_timeout=POOL_TIMEOUT_S,
        # Parameters of statements are people's data and stay out of error texts.
        hide_parameters=True,
    )
    if url.pool.max_idle_time_s is not None:
        _retire_idle(engine, url.pool.max_idle_time_s)
    end_connections_to_wrong_servers(engine)
    send_with_commit(engine)
    _engines.add(engine)
    return engine


def writing(engine: Engine) -> Engine:
    """Return a view of ``engine``, on the same pool, whose connections begin transactions.

    In so many words, since every driver has been told to begin none by itself. Only the view
    listens: an engine with a listener costs every read a third of its time.
    """
    statement = _BEGIN[engine.dialect.name]

    def begin(connection: Connection) -> None:
        forget_last_statements(connection)
        connection.exec_driver_sql(statement)

    view = engine.execution_options()
    event.listen(view, "begin", begin)
    return view


def _connector(url: DatabaseUrl) -> Callable[[], Any]:
    match url.product:
        case Product.SQLITE:
            return _sqlite_connector(url)
        case Product.MYSQL:
            return _failing_in_kind(_mysql_connector(url), _mysql_failure)
        case _:
            return _failing_in_kind(_postgres_connector(url), psycopg.OperationalError)


def _mysql_failure(text: str) -> pymysql.err.OperationalError:
    return pymysql.err.OperationalError(CR.CR_UNKNOWN_ERROR, text)


def _failing_in_kind(
    connect: Callable[[], Any], failure: Callable[[str], Exception]
) -> Callable[[], Any]:
    """Let ``connect`` raise nothing but its driver's errors, whatever that raises itself.

    A plug-in that is not installed is a ``RuntimeError`` to PyMySQL, a peer that speaks another
    protocol an ``IndexError``.
    """

    def connect_or_fail() -> Any:
        try:
            return connect()
        except pymysql.MySQLError as error:
            if error.args and isinstance(error.args[0], int):
                raise
            # Without a number it is the driver that could not make sense of the peer.
            raise failure(str(error)) from error
        except psycopg.Error:
            raise
        except UnicodeError:
            # Its text, and that of its cause, would show a part of the password.
            raise failure("the driver cannot encode the user, password or database") from None
        except Exception as error:
            raise failure(f"{type(error).__name__}: {error}") from error

    return connect_or_fail


def _sqlite_connector(url: DatabaseUrl) -> Callable[[], sqlite3.Connection]:
    path = url.path
    if path is None or not path.parent.is_dir():
        raise ConfigurationError(f"the folder of the SQLite database does not exist: {url.shown}")
    location = f"{path.as_uri()}?mode=rw"
    pragmas = [f"PRAGMA {name} = {value}" for name, value in url.session]

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            location,
            uri=True,
            timeout=SQLITE_BUSY_TIMEOUT_S,
            # Transactions are begun and ended by us, never by guesses of the driver.
            isolation_level=None,
            check_same_thread=False,
        )
        if connection.execute(_IS_OURS).fetchone() is not None:
            _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        for pragma in pragmas:
            connection.execute(pragma)
        return connection

    return connect


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Set write-ahead logging, waiting for others who do the same.

    The busy timeout does not apply to this change: two starts at once would see one fail.
    """
    deadline = time.monotonic() + SQLITE_BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                connection.close()
                raise
            time.sleep(0.01)


class SilentServer(psycopg.OperationalError):
    """The server did not answer within ``ANSWER_TIMEOUT_S``."""


class _BoundedConnection(psycopg.Connection[Any]):
    """A connection that does not wait for ever on a server that is connected and silent."""

    def wait(self, gen: Generator[Any, Any, _T], *args: Any, **kwargs: Any) -> _T:
        """Drive ``gen`` as the base class does; raise ``OperationalError`` past the deadline."""
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        try:
            return super().wait(_until(deadline, gen), *args, **kwargs)
        except SilentServer:
            # What the server may still answer belongs to nobody.
            self.close()
            raise


def _until(deadline: float, gen: Generator[Any, Any, _T]) -> Generator[Any, Any, _T]:
    """Pass everything on between ``gen`` and its driver, until ``deadline`` (monotonic, s)."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if time.monotonic() > deadline:
                raise SilentServer("the server did not answer in time")
            wanted = gen.send(ready)
    except StopIteration as result:
        value: _T = result.value
        return value


def _postgres_connector(url: DatabaseUrl) -> Callable[[], psycopg.Connection[Any]]:
    connect_args = dict(url.connect_args)
    session = {"statement_timeout": str(STATEMENT_TIMEOUT_MS), **dict(url.session)}
    parameters = [part for pair in session.items() for part in pair]
    # Not as start-up options: poolers between us and the server refuse those.
    calls = ", ".join(["set_config(%s, %s, false)"] * len(session))
    chosen = "prepare_threshold" in connect_args
    pooled = LogThrottle()

    def connect() -> psycopg.Connection[Any]:
        connection = _BoundedConnection.connect(**connect_args, autocommit=True)
        if url.product is Product.COCKROACH:
            connection.execute(f"SELECT {calls}".encode(), parameters, prepare=False)
            return connection
        # A pooler hands out process numbers of its own. What is set or prepared on a session of
        # the server would then be met by others, and missed by us.
        statement = f"SELECT CASE WHEN pg_backend_pid() = %s THEN ROW({calls})::text END"
        own = connection.info.backend_pid
        row = connection.execute(statement.encode(), [own, *parameters], prepare=False).fetchone()
        if row is not None and row[0] is None:
            if not chosen:
                connection.prepare_threshold = None
            if pooled.due():
                _warn_of_pooler([name for name, _ in url.session])
        return connection

    return connect


def _warn_of_pooler(names: list[str]) -> None:
    _logger.info("a connection pooler stands before the database: no statement is prepared")
    if names:
        _logger.warning(
            "run-time parameters of the database DSN are not set, since a connection pooler stands "
            "before the database: %s; set them on the role (ALTER ROLE ... SET)",
            ", ".join(names),
        )


class _FrugalConnection(pymysql.connections.Connection):
    """A connection that does not ask the server to undo what was never begun.

    The pool undoes after every use, which for reads would be a round trip for nothing.
    """

    server_status: int

    def rollback(self) -> None:
        """Undo the transaction, if the server has said that there is one."""
        if self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
            super().rollback()


def _mysql_connector(url: DatabaseUrl) -> Callable[[], "pymysql.Connection[Any]"]:
    variables = [
        ("innodb_lock_wait_timeout", str(STATEMENT_TIMEOUT_MS // 1000)),
        *url.session,
        # Whatever the server's default: text that does not fit is an error, never cut.
        ("sql_mode", "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"),
        ("time_zone", "'+00:00'"),
    ]
    set_up = (
        "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in variables),
        # With REPEATABLE READ a row read again after a lock would be the one from before it.
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    )

    def connect() -> "pymysql.Connection[Any]":
        connection = _FrugalConnection(**url.connect_args, autocommit=True)
        try:
            for statement in set_up:
                connection.query(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _retire_idle(engine: Engine, max_idle_time_s: float) -> None:
    """Close a connection that nobody used for ``max_idle_time_s`` instead of handing it out."""

    def note(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["idle_since"] = time.monotonic()

    def check(_: DBAPIConnection, entry: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
        idle_since = entry.info.get("idle_since")
        if idle_since is not None and time.monotonic() - idle_since > max_idle_time_s:
            raise DisconnectionError("idle for too long")

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", check)


def _close_pools() -> None:
    for engine in list(_engines):
        engine.dispose()


# No connection may live on both sides of a fork: a socket would carry two conversations, and
# SQLite would lose its locks.
os.register_at_fork(before=_close_pools)
