"""The fake repository obeys the same contract as the real one, so what holds on it holds there."""

import pytest

from talos.domain.keys import NIL_NETWORK
from tests.integration.repository_contract import RepositoryContract
from tests.support.fakes.keys import InMemoryKeys
from tests.support.fakes.tenants import OTHER_NETWORK


class TestInMemoryKeys(RepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryKeys:
        return InMemoryKeys()

    @pytest.fixture
    def network(self) -> str:
        return NIL_NETWORK

    @pytest.fixture
    def other_network(self) -> str:
        return OTHER_NETWORK
