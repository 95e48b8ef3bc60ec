"""The repository on every database."""

import pytest

from talos.adapters.sql import paging
from tests.integration.repository_contract import RepositoryContract


class TestSqlRepository(RepositoryContract):
    """The contract on SQLite, PostgreSQL and MariaDB."""


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
