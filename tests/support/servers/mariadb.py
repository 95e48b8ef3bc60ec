"""MySQL and MariaDB: a throwaway MariaDB, or the server that TALOS_TEST_MYSQL names."""

import os
import re
import secrets
from pathlib import Path

import pymysql
import pymysql.cursors

from tests.support.servers.binaries import Unavailable, find_program
from tests.support.servers.process import ServerProcess

VARIABLE = "TALOS_TEST_MYSQL"
_USER = "talos"
_PASSWORD = "test-password"
_DSN = re.compile(
    r"mysql://(?P<user>[^:]*):(?P<password>.*)@tcp\((?P<host>[^:]+):(?P<port>\d+)\)"
    r"/(?P<database>[^?]*)(?P<query>\?.*)?"
)


class MySqlService:
    """A server in which tests make databases of their own."""

    def __init__(self, dsn: str, process: ServerProcess | None = None) -> None:
        self.dsn = dsn
        self.process = process

    def create_database(self) -> str:
        """Make an empty database and return its DSN."""
        name = f"talos_test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return _with_database(self.dsn, name)

    def drop_database(self, dsn: str) -> None:
        """Remove a database made here."""
        self.execute(f"DROP DATABASE IF EXISTS {_parts(dsn)['database']}")

    def execute(self, statement: str) -> None:
        """Run one statement as the owner of the server."""
        with _connect(self.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def close(self) -> None:
        """Stop the server if it was started here."""
        if self.process is not None:
            self.process.close()


def open_mysql() -> MySqlService:
    """Return the configured server, or start one. Raises ``Unavailable`` where neither can be."""
    configured = os.environ.get(VARIABLE)
    if configured:
        if _DSN.fullmatch(configured) is None:
            raise ValueError(f"{VARIABLE} must look like mysql://user:password@tcp(host:port)/db")
        return MySqlService(configured)
    process = mysql_process()
    process.start()
    return MySqlService(_dsn(process.port), process)


def mysql_process(*options: str) -> ServerProcess:
    """Prepare a server of one's own, with further options; the caller starts and closes it."""
    server, installer = find_program("mariadbd"), find_program("mariadb-install-db")
    if server is None or installer is None:
        raise Unavailable("MariaDB", VARIABLE, "mariadb-server")
    process = ServerProcess(
        "mariadb",
        lambda folder, port: [
            str(server),
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            # Each server that starts removes what looks temporary from this folder.
            f"--tmpdir={folder}",
            f"--socket={folder / 'socket'}",
            f"--pid-file={folder / 'pid'}",
            f"--init-file={folder / 'account.sql'}",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=64M",
            # What was acknowledged must survive kill -9, but not a power cut.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-doublewrite=OFF",
            *options,
        ],
        _answers,
    )
    try:
        _initialise(process, installer, options)
    except BaseException:
        process.close()
        raise
    return process


def dsn_of(process: ServerProcess) -> str:
    """Return the DSN of the maintenance database of a server of one's own."""
    return _dsn(process.port)


def _initialise(process: ServerProcess, installer: Path, options: tuple[str, ...]) -> None:
    account = process.folder / "account.sql"
    account.write_text(
        f"CREATE USER IF NOT EXISTS {_USER}@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}';\n"
        f"GRANT ALL ON *.* TO {_USER}@'127.0.0.1' WITH GRANT OPTION;\n"
        # Rules that fold case and ignore trailing blanks, so that a text column shows itself.
        "SET GLOBAL collation_server = 'utf8mb4_general_ci';\n"
    )
    account.chmod(0o644)
    process.run(
        [
            str(installer),
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            f"--datadir={process.folder / 'data'}",
            f"--tmpdir={process.folder}",
            *options,
        ]
    )


def _answers(port: int) -> None:
    try:
        _connect(_dsn(port)).close()
    except pymysql.err.OperationalError as error:
        raise ConnectionError(str(error)) from error


def _connect(dsn: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    parts = _parts(dsn)
    return pymysql.connect(
        host=parts["host"],
        port=int(parts["port"]),
        user=parts["user"],
        password=parts["password"],
        database=parts["database"] or None,
        connect_timeout=5,
        autocommit=True,
    )


def _dsn(port: int) -> str:
    return f"mysql://{_USER}:{_PASSWORD}@tcp(127.0.0.1:{port})/mysql?parseTime=true"


def _with_database(dsn: str, name: str) -> str:
    match = _DSN.fullmatch(dsn)
    assert match is not None
    return dsn[: match.start("database")] + name + dsn[match.end("database") :]


def _parts(dsn: str) -> dict[str, str]:
    match = _DSN.fullmatch(dsn)
    assert match is not None
    return match.groupdict()
