"""Throwaway PostgreSQL, MariaDB and Redis servers for tests and for a person to work against.

They are made from whatever binaries the machine has, run unprivileged in a temporary folder on a
free loopback port, and end with whoever started them, however that happens (``keeper.py``).
Where ``TALOS_TEST_POSTGRES``, ``TALOS_TEST_MYSQL`` or ``TALOS_TEST_REDIS`` is set, that server is
used instead and nothing is started.

``python -m tests.support.servers`` starts all three, prints their addresses and waits for Ctrl-C.
"""

from tests.support.servers.binaries import INSTALL, Unavailable
from tests.support.servers.mariadb import MySqlService, open_mysql
from tests.support.servers.postgres import PostgresService, open_postgres
from tests.support.servers.process import ServerProcess
from tests.support.servers.redis import RedisService, open_redis

__all__ = [
    "INSTALL",
    "MySqlService",
    "PostgresService",
    "RedisService",
    "ServerProcess",
    "Unavailable",
    "open_mysql",
    "open_postgres",
    "open_redis",
]
