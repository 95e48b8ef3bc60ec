"""The repository on every database."""

from dataclasses import replace

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from talos.adapters.sql import paging
from talos.adapters.sql.repository import SqlKeyRepository
from talos.domain.keys import KeyKind, KeyRef, KeyStatus
from talos.errors import InternalError
from tests.integration.repository_contract import RepositoryContract, add, listed
from tests.integration.sample_keys import make_key
from tests.support.writes import change


class TestSqlRepository(RepositoryContract):
    """The contract on SQLite, PostgreSQL and MariaDB."""

    def test_a_record_that_the_database_refuses_is_no_conflict(
        self, repository: SqlKeyRepository, network: str
    ) -> None:
        key = make_key(network)
        add(repository, key)
        with pytest.raises(InternalError):
            change(repository, key.ref, lambda old: replace(old, name=None))  # type: ignore[arg-type]
        assert repository.get(key.ref) == key


class TestSqlRepositoryWalking:
    """The contract of lists where they are too long for the way that short ones are found."""

    @pytest.fixture(autouse=True)
    def _nothing_is_few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paging, "_FEW", 1)
        monkeypatch.setattr(paging, "_FEW_PAGES", 0)

    test_filters = RepositoryContract.test_filters_agree_with_what_is_shown
    test_order = RepositoryContract.test_ids_are_ordered_by_their_bytes
    test_whole_keys = RepositoryContract.test_a_page_holds_whole_keys
    test_pages = RepositoryContract.test_pages_follow_one_another

    def test_a_key_revoked_in_between_does_not_shorten_the_page(
        self, repository: SqlKeyRepository, engine: Engine, network: str
    ) -> None:
        """The walk finds ids first and reads the keys then."""
        ids = [f"key-{number}" for number in range(9, -1, -1)]
        add(repository, *(make_key(network, key_id=key_id) for key_id in ids))
        interrupted: list[str] = []

        def revoke_first(
            connection: Connection,
            cursor: object,
            statement: str,
            parameters: object,
            context: object,
            executemany: bool,
        ) -> None:
            if " IN (" in statement and not interrupted:
                interrupted.append(statement)
                change(
                    repository,
                    KeyRef(network, KeyKind.ISSUED, ids[0]),
                    lambda key: replace(key, status=KeyStatus.REVOKED),
                )

        event.listen(engine, "before_cursor_execute", revoke_first)
        try:
            page = listed(repository, network, limit=3, status=KeyStatus.ACTIVE)
        finally:
            event.remove(engine, "before_cursor_execute", revoke_first)
        assert interrupted
        assert page == ids[1:4]
