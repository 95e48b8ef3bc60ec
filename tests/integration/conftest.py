"""One migrated database of each kind for all tests of a module; networks keep tests apart."""

import shutil
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Engine

from talos.adapters.sql import migrate
from talos.adapters.sql.database import SqlDatabase
from talos.adapters.sql.dsn import DatabaseUrl, parse_dsn
from talos.adapters.sql.engine import create_engine
from talos.adapters.sql.repository import SqlKeyRepository
from tests.support.servers import MySqlService, PostgresService


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mysql"])
def shared_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DatabaseUrl]:
    """A migrated database that the tests of a module share; they run on each kind."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("shared")
        url = parse_dsn(f"sqlite://{folder}/talos.db")
        migrate.up(url)
        yield url
        shutil.rmtree(folder)
        return
    service: PostgresService | MySqlService = request.getfixturevalue(f"{request.param}_service")
    dsn = service.create_database()
    migrate.up(parse_dsn(dsn))
    yield parse_dsn(dsn)
    service.drop_database(dsn)


@pytest.fixture(scope="module")
def engine(shared_url: DatabaseUrl) -> Iterator[Engine]:
    """An engine on the shared database."""
    engine = create_engine(shared_url)
    yield engine
    engine.dispose()


@pytest.fixture
def repository(engine: Engine) -> SqlKeyRepository:
    """A repository on the shared database."""
    return SqlKeyRepository(engine)


def _network(engine: Engine) -> str:
    network_id = str(uuid.uuid4())
    SqlDatabase(engine).ensure_network(network_id)
    return network_id


@pytest.fixture
def network(engine: Engine) -> str:
    """The id of a network without keys."""
    return _network(engine)


@pytest.fixture
def other_network(engine: Engine) -> str:
    """The id of another network without keys."""
    return _network(engine)
