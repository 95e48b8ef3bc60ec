"""Fixtures that every kind of test may use: the databases and Redis."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from talos.adapters.sql import migrate
from talos.adapters.sql.dsn import parse_dsn
from tests.support.missing_services import open_or_skip, report_missing
from tests.support.servers import (
    MySqlService,
    PostgresService,
    RedisService,
    open_mysql,
    open_postgres,
    open_redis,
)

# Property tests have no deadline per example: how fast a machine is proves nothing. Their examples
# are the same in every run, so that a failure is that of a change; `make properties` looks further.
settings.register_profile(
    "repeatable", deadline=None, derandomize=os.environ.get("TALOS_RANDOM_EXAMPLES") != "1"
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def postgres_service() -> Iterator[PostgresService]:
    """A PostgreSQL server for this run."""
    service = open_or_skip(open_postgres)
    yield service
    service.close()


@pytest.fixture(scope="session")
def mysql_service() -> Iterator[MySqlService]:
    """A MariaDB or MySQL server for this run."""
    service = open_or_skip(open_mysql)
    yield service
    service.close()


@pytest.fixture(scope="session")
def redis_service() -> Iterator[RedisService]:
    """A Redis server for this run."""
    service = open_or_skip(open_redis)
    yield service
    service.close()


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate.up(parse_dsn(f"sqlite://{path}"))
    return path


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_service: PostgresService) -> str:
    dsn = postgres_service.create_database()
    migrate.up(parse_dsn(dsn))
    return dsn


@pytest.fixture
def sqlite_dsn(_migrated_sqlite: Path, tmp_path: Path) -> str:
    """A fresh, migrated SQLite database."""
    path = tmp_path / "talos.db"
    shutil.copyfile(_migrated_sqlite, path)
    path.chmod(0o600)
    return f"sqlite://{path}"


@pytest.fixture
def postgres_dsn(postgres_service: PostgresService, _migrated_postgres: str) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    dsn = postgres_service.create_database(template=_migrated_postgres)
    yield dsn
    postgres_service.drop_database(dsn)


@pytest.fixture
def mysql_dsn(mysql_service: MySqlService) -> Iterator[str]:
    """A fresh, migrated MariaDB or MySQL database."""
    dsn = mysql_service.create_database()
    migrate.up(parse_dsn(dsn))
    yield dsn
    mysql_service.drop_database(dsn)


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def database_dsn(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database; the test runs on each kind."""
    return str(request.getfixturevalue(f"{request.param}_dsn"))


@pytest.fixture
def redis_url(redis_service: RedisService) -> str:
    """An empty Redis database."""
    redis_service.flush()
    return redis_service.url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """See ``report_missing``."""
    report_missing(terminalreporter)
