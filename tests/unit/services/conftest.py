"""What the tests of the services share."""

import pytest

from tests.support.fakes.harness import ServiceHarness


@pytest.fixture
def harness() -> ServiceHarness:
    """Services on fakes, with an empty repository and a clock that stands still."""
    return ServiceHarness()
