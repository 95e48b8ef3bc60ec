"""What a transaction writes last: sent together with its COMMIT where the driver can.

A transaction that has read what it needs to know only has to write and to commit. On PostgreSQL
psycopg's pipeline sends all of that in one packet and waits once, where each statement would cost a
round trip while the locks are held. The server undoes everything where one of the statements fails,
and that error is raised by the commit. Elsewhere each statement is sent when it is given.

There is nothing to read of their outcome: they have to be right when they are given.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import psycopg
from sqlalchemy import Insert, Update
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.pool import PoolProxiedConnection

_WAITING: Final = "talos_last_statements"
"""Where a connection's entry of the pool keeps what is sent with the next COMMIT."""


class _Prepared:
    """A statement as one driver takes it."""

    def __init__(self, statement: Insert | Update, names: Sequence[str], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        self.text = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        self._converters = {
            name: converter
            for name, bound in compiled.binds.items()
            if (converter := bound.type.dialect_impl(dialect).bind_processor(dialect))
        }

    def parameters(self, row: Mapping[str, Any]) -> Any:
        """Return the values of ``row`` as the driver takes them."""
        if self._converters:
            row = {**row}
            for name, converter in self._converters.items():
                row[name] = converter(row[name])
        return row if self._order is None else tuple(row[name] for name in self._order)


class Statement:
    """An INSERT or UPDATE whose parameters always have the same names.

    It is compiled once for each kind of database: what SQLAlchemy does for each execution would
    take a third of the time of a write to SQLite.
    """

    def __init__(self, statement: Insert | Update, names: Sequence[str]) -> None:
        """Take a statement, and the names of its parameters."""
        self._statement = statement
        self._names = names
        self._prepared: dict[str, _Prepared] = {}

    def prepared(self, dialect: Dialect) -> _Prepared:
        """Return it for the driver of ``dialect``."""
        prepared = self._prepared.get(dialect.name)
        if prepared is None:
            prepared = _Prepared(self._statement, self._names, dialect)
            self._prepared[dialect.name] = prepared
        return prepared


def write_last(
    connection: Connection, statement: Statement, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Execute ``statement`` for each of ``rows``, by the end of the transaction at the latest.

    After this a transaction may read and write nothing else but by this function.
    """
    if not rows:
        return
    prepared = statement.prepared(connection.dialect)
    parameters = [prepared.parameters(row) for row in rows]
    if connection.dialect.do_commit is _commit_with_last_statements:
        connection.info.setdefault(_WAITING, []).append((prepared.text, parameters))
        return
    # Not as a list where it is one: a driver sends that another way, which is slower for one.
    connection.exec_driver_sql(prepared.text, parameters[0] if len(rows) == 1 else parameters)


def last_statements(connection: Connection) -> Sequence[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Return what will be sent with the COMMIT, for who watches statements: texts and rows."""
    return tuple(connection.info.get(_WAITING, ()))


def forget_last_statements(connection: Connection) -> None:
    """Forget what a transaction that was undone had left. To be called when one begins."""
    connection.info.pop(_WAITING, None)


def send_with_commit(engine: Engine) -> None:
    """Let ``engine`` keep last statements for its commits, if its driver can send both at once."""
    if engine.dialect.name == "postgresql" and psycopg.Pipeline.is_supported():
        # Of this engine's dialect alone: a class of its own would have to be registered.
        engine.dialect.do_commit = _commit_with_last_statements  # type: ignore[method-assign]


def _commit_with_last_statements(dbapi_connection: PoolProxiedConnection) -> None:
    """Implement ``Dialect.do_commit``; errors of the statements are raised as those of a commit."""
    waiting = dbapi_connection.info.pop(_WAITING, None)
    driver = cast("psycopg.Connection[Any]", dbapi_connection.driver_connection)
    if not waiting:
        driver.commit()
        return
    first: psycopg.Error | None = None
    try:
        with driver.pipeline():
            try:
                cursor = driver.cursor()
                for text, rows in waiting:
                    if len(rows) == 1:
                        cursor.execute(text, rows[0])
                    else:
                        cursor.executemany(text, rows)
                # As a statement: ``Connection.commit`` would wait for the answers here.
                cursor.execute("COMMIT")
            except psycopg.Error as error:
                # An answer may have come already. Passed through the pipeline, the error would be
                # logged together with the statements that were given up for it.
                first = error
    except psycopg.Error as error:
        raise (first or error) from None
    if first is not None:
        raise first
