"""PostgreSQL: a throwaway server, or the one that TALOS_TEST_POSTGRES names."""

import os
import secrets
import signal
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.support.servers.binaries import Unavailable, find_postgres
from tests.support.servers.process import ServerProcess

VARIABLE = "TALOS_TEST_POSTGRES"
_USER = "talos"
_PASSWORD = "test-password"


class PostgresService:
    """A server in which tests make databases of their own."""

    def __init__(self, dsn: str, process: ServerProcess | None = None) -> None:
        self.dsn = dsn
        self.process = process

    def create_database(self, template: str | None = None) -> str:
        """Make an empty database, or a copy of the one that ``template`` names; return its DSN."""
        name = f"talos_test_{secrets.token_hex(6)}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(_database_in(template)))
        self._execute(statement)
        return urlsplit(self.dsn)._replace(path=f"/{name}").geturl()

    def drop_database(self, dsn: str) -> None:
        """Remove a database made here, whoever is still connected to it."""
        name = sql.Identifier(_database_in(dsn))
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def close(self) -> None:
        """Stop the server if it was started here."""
        if self.process is not None:
            self.process.close()

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement)


def open_postgres() -> PostgresService:
    """Return the configured server, or start one. Raises ``Unavailable`` where neither can be."""
    configured = os.environ.get(VARIABLE)
    if configured:
        return PostgresService(configured)
    process = postgres_process()
    process.start()
    return PostgresService(_dsn(process.port), process)


def postgres_process(*, durable: bool = False, small_disk: str | None = None) -> ServerProcess:
    """Prepare a server of one's own; the caller starts and closes it.

    What was acknowledged survives kill -9 in any case, and a power cut if it is ``durable``.
    """
    folder = _binaries()
    process = _process(folder, sync="on" if durable else "off", small_disk=small_disk)
    try:
        _initialise(process, folder)
    except BaseException:
        process.close()
        raise
    return process


def standby_process(primary: ServerProcess) -> ServerProcess:
    """Prepare a hot standby that follows ``primary``, which runs; promote it to make it writable.

    The caller starts and closes it.
    """
    folder = _binaries()
    process = _process(folder, sync="off")
    try:
        process.run(
            [
                str(folder / "pg_basebackup"),
                f"--pgdata={process.folder / 'data'}",
                f"--dbname={_dsn(primary.port)}",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--write-recovery-conf",
                "--no-sync",
            ]
        )
    except BaseException:
        process.close()
        raise
    return process


def _binaries() -> Path:
    folder = find_postgres()
    if folder is None:
        raise Unavailable("PostgreSQL", VARIABLE, "postgresql")
    return folder


def _process(folder: Path, *, sync: str, small_disk: str | None = None) -> ServerProcess:
    return ServerProcess(
        "postgres",
        lambda data, port: [
            str(folder / "postgres"),
            "-D",
            str(data / "data"),
            "-p",
            str(port),
            *_settings(
                listen_addresses="127.0.0.1",
                unix_socket_directories="",
                max_connections="200",
                shared_buffers="64MB",
                fsync=sync,
                full_page_writes=sync,
            ),
        ],
        _answers,
        # SIGINT disconnects clients and stops; SIGTERM would wait for them.
        stop_signal=signal.SIGINT,
        small_disk=small_disk,
    )


def dsn_of(process: ServerProcess) -> str:
    """Return the DSN of the maintenance database of a server of one's own."""
    return _dsn(process.port)


def _initialise(process: ServerProcess, folder: Path) -> None:
    password_file = process.folder / "password"
    password_file.write_text(_PASSWORD)
    password_file.chmod(0o644)
    process.run(
        [
            str(folder / "initdb"),
            f"--pgdata={process.folder / 'data'}",
            f"--username={_USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            # An order that is not the order of bytes, so that a missing COLLATE shows itself.
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en-US",
        ]
    )


def _settings(**settings: str) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _answers(port: int) -> None:
    try:
        psycopg.connect(_dsn(port), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        raise ConnectionError(str(error)) from error


def _dsn(port: int) -> str:
    return f"postgres://{_USER}:{_PASSWORD}@127.0.0.1:{port}/postgres?sslmode=disable"


def _database_in(dsn: str) -> str:
    return urlsplit(dsn).path.removeprefix("/")
