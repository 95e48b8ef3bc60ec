"""What the tests of the services share."""

import pytest

from tests.fakes.house import House


@pytest.fixture
def house() -> House:
    """Services on fakes, with an empty repository and a clock that stands still."""
    return House()
