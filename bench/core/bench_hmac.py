"""HMAC-SHA256 under a key that is kept, beside the one-shot that prepares it every time."""

import hmac

import pytest

from bench.core.conftest import SECRET, Measure
from talos import _core

CASE = "HMAC-SHA256 of 120 bytes"
TWIN = "tests/core/test_keyed_hmac.py"


@pytest.fixture
def message() -> bytes:
    """As long as what the checksum of an issued key covers."""
    return bytes(range(120))


def test_ours(measure: Measure, message: bytes) -> None:
    """The key is kept."""
    keyed = _core.KeyedHmac(SECRET)
    assert measure(keyed.digest, message) == hmac.digest(SECRET, message, "sha256")


def test_one_shot(measure: Measure, message: bytes) -> None:
    """hmac.digest."""
    assert len(measure(hmac.digest, SECRET, message, "sha256")) == 32


def test_copied_object(measure: Measure, message: bytes) -> None:
    """hmac.new once, copied for each message."""
    prepared = hmac.new(SECRET, digestmod="sha256")
    assert measure(_copied, prepared, message) == hmac.digest(SECRET, message, "sha256")


def _copied(prepared: hmac.HMAC, message: bytes) -> bytes:
    copy = prepared.copy()
    copy.update(message)
    return copy.digest()
