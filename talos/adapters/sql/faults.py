"""What a driver's exception means to the rest of the server (contract 3.2, 16.19).

A driver's text never gets further than ``__cause__``, which only logs see, and ``explain``, which
is for the operator who starts the server or migrates.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import pymysql
from sqlalchemy import exc

from talos.adapters.sql.engine import SilentServer
from talos.errors import GatewayTimeout, InternalError, ServiceUnavailable, TalosError

# PostgreSQL: SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_TIMEOUTS: Final = frozenset({"57014", "55P03", "25P03", "57P05"})
_POSTGRES_UNREACHABLE_CLASSES: Final = ("08", "28", "53", "57P", "3D")
_POSTGRES_READ_ONLY: Final = "25006"
_POSTGRES_RETRIABLE: Final = frozenset({"40001", "40P01"})

# MySQL and MariaDB: server errors from 1000, client errors from 2000.
_MYSQL_TIMEOUTS: Final = frozenset({1205, 1969, 3024, 4031})
_MYSQL_UNREACHABLE: Final = frozenset(
    {1040, 1044, 1045, 1049, 1053, 1080, 1129, 1130, 1152, 1184, 1203, 1226, 1290, 1836, 1927}
)
_MYSQL_LOST_CONNECTION: Final = frozenset({0, 2000, 2001, 2002, 2003, 2005, 2006, 2013, 2055})
_MYSQL_RETRIABLE: Final = frozenset({1020, 1213})

_SQLITE_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_UNREACHABLE: Final = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
)
_SQLITE_PRIMARY_CODE: Final = 0xFF


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Turn every database exception of the block into the error that callers know.

    ``operation`` is a short text such as ``create API key``; it becomes the message of an
    ``InternalError``. Raises ``ServiceUnavailable``, ``GatewayTimeout`` or ``InternalError``.
    """
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise translate(error, operation) from error
    except (sqlite3.Error, psycopg.Error, pymysql.MySQLError, OSError) as error:
        raise _judge(error, operation) from error


def translate(error: exc.SQLAlchemyError, operation: str) -> TalosError:
    """Return the error that callers know for ``error``."""
    if isinstance(error, exc.TimeoutError):
        return GatewayTimeout()
    if isinstance(error, exc.DBAPIError):
        known = _judge(error.orig, operation)
        if isinstance(known, InternalError) and error.connection_invalidated:
            return ServiceUnavailable()
        return known
    return InternalError(operation)


def is_retriable(error: exc.SQLAlchemyError) -> bool:
    """Tell whether the database undid the transaction only to let another one pass."""
    driver = error.orig if isinstance(error, exc.DBAPIError) else None
    match driver:
        case psycopg.Error():
            return driver.sqlstate in _POSTGRES_RETRIABLE
        case pymysql.MySQLError():
            return _mysql_code(driver) in _MYSQL_RETRIABLE
        case _:
            return False


def is_lost_connection(error: exc.SQLAlchemyError) -> bool:
    """Tell whether a connection that had been good turned out dead; another one may work.

    A server that is silent is not asked a second time.
    """
    if not isinstance(error, exc.DBAPIError) or not error.connection_invalidated:
        return False
    return not isinstance(_judge(error.orig, ""), GatewayTimeout)


def explain(error: BaseException) -> str:
    """Return one line for the operator: the driver's text where there is one."""
    cause: BaseException | None = error
    while cause is not None:
        driver = cause.orig if isinstance(cause, exc.DBAPIError) else cause
        if isinstance(driver, sqlite3.Error | psycopg.Error | OSError):
            return " ".join(str(driver).split())
        if isinstance(driver, pymysql.MySQLError):
            return " ".join(str(driver.args[-1] if driver.args else driver).split())
        cause = cause.__cause__
    return str(error)


def _judge(driver: BaseException | None, operation: str) -> TalosError:
    match driver:
        case psycopg.Error():
            return _judge_postgres(driver, operation)
        case pymysql.MySQLError():
            return _judge_mysql(driver, operation)
        case sqlite3.Error():
            return _judge_sqlite(driver, operation)
        case TimeoutError():
            return GatewayTimeout()
        case OSError():
            return ServiceUnavailable()
        case _:
            return InternalError(operation)


def _judge_postgres(driver: psycopg.Error, operation: str) -> TalosError:
    state = driver.sqlstate
    if isinstance(driver, SilentServer) or state in _POSTGRES_TIMEOUTS:
        return GatewayTimeout()
    if state is None:
        # Without a state the trouble is between us and the server, unless the driver refused
        # to send at all.
        connection_trouble = isinstance(driver, psycopg.OperationalError)
        return ServiceUnavailable() if connection_trouble else InternalError(operation)
    if state == _POSTGRES_READ_ONLY or state.startswith(_POSTGRES_UNREACHABLE_CLASSES):
        return ServiceUnavailable()
    return InternalError(operation)


def _judge_mysql(driver: pymysql.MySQLError, operation: str) -> TalosError:
    code = _mysql_code(driver)
    if code in _MYSQL_TIMEOUTS:
        return GatewayTimeout()
    if code in _MYSQL_LOST_CONNECTION:
        # The driver has one code for a dead and for a silent server, and tells them apart in text.
        return GatewayTimeout() if "timed out" in str(driver) else ServiceUnavailable()
    if code in _MYSQL_UNREACHABLE:
        return ServiceUnavailable()
    return InternalError(operation)


def _judge_sqlite(driver: sqlite3.Error, operation: str) -> TalosError:
    code = getattr(driver, "sqlite_errorcode", 0) & _SQLITE_PRIMARY_CODE
    if code in _SQLITE_BUSY:
        return GatewayTimeout()
    if code in _SQLITE_UNREACHABLE:
        return ServiceUnavailable()
    return InternalError(operation)


def _mysql_code(driver: pymysql.MySQLError) -> int:
    """Return the error's number; -1 for one without, such as a refused parameter."""
    code = driver.args[0] if driver.args else -1
    return code if isinstance(code, int) else -1
