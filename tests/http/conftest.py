"""Fresh surfaces for every test."""

import pytest

from tests.http.surface import Surface


@pytest.fixture
def surface() -> Surface:
    """Both surfaces on one port."""
    return Surface("all")


@pytest.fixture
def public_surface() -> Surface:
    """The public surface."""
    return Surface("public")
