"""PgBouncer before a PostgreSQL server, on a free port; it pools by transaction."""

import re
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.support.servers.binaries import Unavailable, find_program
from tests.support.servers.process import ServerProcess

SERVER_CONNECTIONS = 4
"""Of the server; its clients share them."""


def pgbouncer_process(postgres_dsn: str, *, pool_mode: str = "transaction") -> ServerProcess:
    """Prepare a pooler before the server of ``postgres_dsn``; the caller starts and closes it."""
    program = find_program("pgbouncer")
    if program is None:
        raise Unavailable("PgBouncer", "PATH", "pgbouncer")
    process = ServerProcess(
        "pgbouncer",
        lambda folder, _: [str(program), str(folder / "pgbouncer.ini")],
        lambda port: _answers(behind(postgres_dsn, port)),
    )
    target = conninfo_to_dict(postgres_dsn)
    settings = process.folder / "pgbouncer.ini"
    settings.write_text(
        "[databases]\n"
        f"* = host={target['host']} port={target['port']} "
        f"user={target['user']} password={target['password']}\n"
        "[pgbouncer]\n"
        "listen_addr = 127.0.0.1\n"
        f"listen_port = {process.port}\n"
        "unix_socket_dir =\n"
        "auth_type = any\n"
        f"pool_mode = {pool_mode}\n"
        f"default_pool_size = {SERVER_CONNECTIONS}\n"
        "max_client_conn = 200\n"
    )
    _readable(settings)
    return process


def behind(postgres_dsn: str, port: int) -> str:
    """Return the DSN that goes through the pooler on ``port``."""
    return re.sub(r"@[^/]+/", f"@127.0.0.1:{port}/", postgres_dsn, count=1)


def _readable(path: Path) -> None:
    # By the account that the pooler runs under.
    path.chmod(0o644)


def _answers(dsn: str) -> None:
    try:
        psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        raise ConnectionError(str(error)) from error
