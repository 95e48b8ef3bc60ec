"""Whether the checksum of an issued key is ours, beside the bare HMAC that it is made of."""

import hmac
from typing import Any

import pytest

from bench.core.conftest import SECRET, Measure
from talos import _core
from tests.reference import issued_key as oracle

CASE = "checksum of an issued key"
TWIN = "tests/core/test_issued_key.py"


@pytest.fixture
def signed_part(issued_key: str) -> bytes:
    """What the checksum covers."""
    return issued_key.rpartition("_")[0].encode() + b"_"


def test_ours(measure: Measure, issued_key: str) -> None:
    """Check the checksum."""
    parsed = _core.parse_issued_key(issued_key)
    assert parsed is not None
    assert measure(_core.checksum_valid, parsed, (SECRET,)) is True


def test_parse_and_check(measure: Measure, issued_key: str) -> None:
    """Parse the key, and check the checksum."""
    assert measure(_parse_and_check, issued_key) is True


def test_bare_hmac(measure: Measure, signed_part: bytes) -> None:
    """hmac.digest of the same bytes, nothing compared."""
    assert len(measure(hmac.digest, SECRET, signed_part, "sha256")) == 32


def test_pure_python(measure: Measure, issued_key: str) -> None:
    """The same in pure Python."""
    assert measure(_oracle, issued_key) is True


def _parse_and_check(text: str) -> bool:
    parsed = _core.parse_issued_key(text)
    return parsed is not None and _core.checksum_valid(parsed, (SECRET,))


def _oracle(text: str) -> bool:
    parsed: Any = oracle.parse(text)
    return bool(oracle.checksum_valid(parsed, (SECRET,)))
