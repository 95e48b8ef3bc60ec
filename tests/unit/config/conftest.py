"""Fixtures that listen to what the configuration says in the log."""

import logging
from collections.abc import Iterator

import pytest

from tests.support.log_records import Records


@pytest.fixture
def records() -> Iterator[Records]:
    logger = logging.getLogger("talos.config")
    level, handler = logger.level, Records()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)
