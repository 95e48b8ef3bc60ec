"""Servers that answer and are the wrong ones: after a failover, the demoted primary.

Its connections live on, and a pool would keep them until they are too old, every write failing
meanwhile. So an error that says "not here" ends its connection and those that were made before it;
the next attempt dials again, and whatever leads to the present primary (several hosts in the DSN,
a virtual address, DNS) is asked once more.
"""

import time
from typing import Final

import psycopg
import pymysql
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

# read_only_sql_transaction: a standby, or default_transaction_read_only
_POSTGRES: Final = frozenset({"25006"})
# Galera node outside of its cluster; --read-only; READ ONLY transaction; read-only mode; InnoDB
# read-only.
_MYSQL: Final = frozenset({1047, 1290, 1792, 1836, 1874})

_POOL_PAUSE_S: Final = 1.0


def says_wrong_server(driver: BaseException | None) -> bool:
    """Return whether a driver's error means that another server should be asked."""
    match driver:
        case psycopg.Error():
            return driver.sqlstate in _POSTGRES
        case pymysql.MySQLError():
            return bool(driver.args) and driver.args[0] in _MYSQL
        case _:
            return False


def end_connections_to_wrong_servers(engine: Engine) -> None:
    """Let ``engine`` give up a connection whose server is the wrong one, and all made before it.

    So it does with a connection whose driver failed in a way that is not its own (an
    ``IndexError`` while it read an answer): what the server still sends on it would be taken for
    the answer to another question.
    """
    emptied_at_s = -_POOL_PAUSE_S

    def judge(context: ExceptionContext) -> None:
        nonlocal emptied_at_s
        if context.connection is None:
            return
        if says_wrong_server(context.original_exception):
            context.is_disconnect = True
            # Where every server refuses to write, readers keep the connections just made.
            now_s = time.monotonic()
            context.invalidate_pool_on_disconnect = now_s - emptied_at_s >= _POOL_PAUSE_S
            if context.invalidate_pool_on_disconnect:
                emptied_at_s = now_s
        elif not isinstance(context.original_exception, engine.dialect.loaded_dbapi.Error):
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = False

    event.listen(engine, "handle_error", judge)
