"""Servers as ``talos serve`` starts them, each with a configuration file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.talos_server import Serve, serving


@pytest.fixture
def serve(tmp_path: Path, sqlite_dsn: str) -> Iterator[Serve]:
    """Start ``talos serve`` as in ``serving``; every server ends with the test."""
    with serving(tmp_path, sqlite_dsn) as start:
        yield start
