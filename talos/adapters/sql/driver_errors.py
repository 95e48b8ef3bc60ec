"""What a driver's exception means to the rest of the server (contract 3.2, 16.19).

A driver's text never gets further than ``__cause__``, which only logs see, and ``explain``, which
is for the operator who starts the server or migrates.
"""

import re
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import pymysql
from sqlalchemy import exc

from talos.adapters.sql.engine import SilentServer
from talos.adapters.sql.wrong_server import says_wrong_server
from talos.errors import GatewayTimeout, InternalError, ServiceUnavailable, TalosError

# PostgreSQL: SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_TIMEOUTS: Final = frozenset({"57014", "55P03", "25P03", "57P05"})
# 53: disk full, out of memory, too many connections; 58: the system under the server.
_POSTGRES_UNREACHABLE_CLASSES: Final = ("08", "28", "53", "57P", "58", "3D")
_POSTGRES_STORAGE: Final = ("53100", "58")
_POSTGRES_RETRIABLE: Final = frozenset({"40001", "40P01"})

# MySQL and MariaDB: server errors from 1000, client errors from 2000.
_MYSQL_TIMEOUTS: Final = frozenset({1205, 1969, 3024, 4031})
_MYSQL_UNREACHABLE: Final = frozenset(
    {1040, 1044, 1045, 1049, 1053, 1080, 1129, 1130, 1152, 1184, 1203, 1226, 1927, 3032}
)
# A full disk, a write that failed, a full table, no memory; those of 1030 are told apart by errno.
_MYSQL_STORAGE: Final = frozenset({3, 1021, 1026, 1037, 1041, 1114, 1598})
_MYSQL_ENGINE_ERRORS: Final = frozenset({1030, 1296})
# EIO, EFBIG, ENOSPC, EROFS, EDQUOT
_MYSQL_ERRNO: Final = re.compile(r"error (?:5|27|28|30|122)\b")
_MYSQL_LOST_CONNECTION: Final = frozenset({0, 2000, 2001, 2002, 2003, 2005, 2006, 2013, 2055})
_MYSQL_RETRIABLE: Final = frozenset({1020, 1213})

_NO_CODE: Final = -1

_SQLITE_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_STORAGE: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
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
    except TalosError:
        raise
    except Exception as error:
        raise translate(error, operation) from error


def forget_locals(error: BaseException) -> None:
    """Empty the frames that ``error`` has passed through; its traceback is printed as before.

    Frames of SQLAlchemy refer to the error that they raise. The request behind them, with its body,
    would stay in memory until the garbage collector comes, which is seldom.
    """
    traceback.clear_frames(error.__traceback__)


def translate(error: Exception, operation: str) -> TalosError:
    """Return the error that callers know for ``error``, which may be of any kind: a driver raises
    more than its own errors. Its frames are emptied (``forget_locals``).
    """
    forget_locals(error)
    if isinstance(error, exc.TimeoutError):
        return GatewayTimeout()
    if isinstance(error, exc.DBAPIError):
        known = _judge(error.orig, operation)
        if isinstance(known, InternalError) and error.connection_invalidated:
            return ServiceUnavailable()
        return known
    if isinstance(error, exc.SQLAlchemyError):
        return InternalError(operation)
    return _judge(error, operation)


def is_retriable(error: exc.SQLAlchemyError) -> bool:
    """Return whether the database undid the transaction only to let another one pass."""
    driver = error.orig if isinstance(error, exc.DBAPIError) else None
    match driver:
        case psycopg.Error():
            return driver.sqlstate in _POSTGRES_RETRIABLE
        case pymysql.MySQLError():
            return _mysql_code(driver) in _MYSQL_RETRIABLE
        case _:
            return False


def is_wrong_server(error: exc.SQLAlchemyError) -> bool:
    """Return whether the server takes no writes, and another one may."""
    return isinstance(error, exc.DBAPIError) and says_wrong_server(error.orig)


def is_storage_failure(error: BaseException) -> bool:
    """Return whether the storage of the database failed: a disk is full, or cannot be written."""
    driver = error.orig if isinstance(error, exc.DBAPIError) else error
    match driver:
        case psycopg.Error():
            return (driver.sqlstate or "").startswith(_POSTGRES_STORAGE)
        case pymysql.MySQLError():
            return _is_mysql_storage_failure(driver)
        case sqlite3.Error():
            return _sqlite_code(driver) in _SQLITE_STORAGE
        case _:
            return False


def is_lost_connection(error: exc.SQLAlchemyError) -> bool:
    """Return whether a connection that had been good turned out dead; another one may work.

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
        # Without a state the connection to the server has failed, unless the driver refused
        # to send at all.
        connection_trouble = isinstance(driver, psycopg.OperationalError)
        return ServiceUnavailable() if connection_trouble else InternalError(operation)
    if says_wrong_server(driver) or state.startswith(_POSTGRES_UNREACHABLE_CLASSES):
        return ServiceUnavailable()
    return InternalError(operation)


def _judge_mysql(driver: pymysql.MySQLError, operation: str) -> TalosError:
    code = _mysql_code(driver)
    if isinstance(driver, pymysql.err.InternalError) and code == _NO_CODE:
        # Packets out of sequence: the driver has closed the connection.
        return ServiceUnavailable()
    if code in _MYSQL_TIMEOUTS:
        return GatewayTimeout()
    if code in _MYSQL_LOST_CONNECTION:
        # The driver has one code for a dead and for a silent server, and tells them apart in text.
        return GatewayTimeout() if "timed out" in str(driver) else ServiceUnavailable()
    if code in _MYSQL_UNREACHABLE or says_wrong_server(driver) or _is_mysql_storage_failure(driver):
        return ServiceUnavailable()
    return InternalError(operation)


def _judge_sqlite(driver: sqlite3.Error, operation: str) -> TalosError:
    code = _sqlite_code(driver)
    if code in _SQLITE_BUSY:
        return GatewayTimeout()
    if code in _SQLITE_STORAGE:
        return ServiceUnavailable()
    return InternalError(operation)


def _is_mysql_storage_failure(driver: pymysql.MySQLError) -> bool:
    code = _mysql_code(driver)
    if code in _MYSQL_ENGINE_ERRORS:
        return _MYSQL_ERRNO.search(str(driver.args[-1])) is not None
    return code in _MYSQL_STORAGE


def _sqlite_code(driver: sqlite3.Error) -> int:
    """Return the primary code; 0 for an error that is the driver's own."""
    return getattr(driver, "sqlite_errorcode", 0) & _SQLITE_PRIMARY_CODE


def _mysql_code(driver: pymysql.MySQLError) -> int:
    """Return the error's number; ``_NO_CODE`` for one without, such as a refused parameter."""
    code = driver.args[0] if driver.args else _NO_CODE
    return code if isinstance(code, int) else _NO_CODE
