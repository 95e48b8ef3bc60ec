"""The repository on every database, and what only SQL can get wrong."""

from tests.integration.repository_contract import RepositoryContract


class TestSqlRepository(RepositoryContract):
    """The contract on SQLite, PostgreSQL and MariaDB."""
